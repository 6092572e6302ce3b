import ArgumentParser

struct Evaluate: ParsableCommand, Speaking {
    static let configuration = CommandConfiguration(
        abstract: "Measures the clean and attacked accuracy of a checkpoint.",
        discussion: """
            Attacks are evaluation.attacks of the configuration, for instance
            evaluation.attacks.0.steps=20; without any, the clean images and the training attack. --output gets
            evaluation.csv, per_sample.csv, classes.csv and the tables of experts.
            """)

    @OptionGroup var options: EvaluationOptions

    var speech: SpeechOptions { options.speech }

    func run() throws { try options.run() }
}
