import ArgumentParser

struct Evaluate: ParsableCommand, Speaking {
    static let configuration = CommandConfiguration(
        abstract: "Measures the clean and attacked accuracy of a checkpoint.",
        discussion: """
            Attacks are evaluation.attacks of the configuration, for instance
            evaluation.attacks.0.steps=20; without any, the clean images and the training attack. --output gets
            evaluation.csv, per_sample.csv, classes.csv and the tables of experts. --write-labels FILE comes first and
            writes the images of data.extra as a pack, each under the class that the network takes it for; training with
            data.extra=FILE then has them in its batches.
            """)

    @OptionGroup var options: EvaluationOptions
    @Option(help: "A pack to write: the images of data.extra with the network's labels.", completion: .file())
    var writeLabels: String?

    var speech: SpeechOptions { options.speech }

    func run() throws { try options.run(labelPath: writeLabels) }
}
