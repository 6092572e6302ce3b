import ArgumentParser

struct Experts: ParsableCommand, Speaking {
    static let configuration = CommandConfiguration(
        abstract: "Measures every expert of a checkpoint as a network of its own, and how images are routed.",
        discussion: """
            A layer's experts are fixed one after the other, all images going to that one, and the network with it is
            attacked: fixed_experts.csv holds accuracy and loss of each beside those of the gated network. The other
            tables are those of evaluate. Attacks are evaluation.attacks, for instance evaluation.attacks.0.steps=20.
            """)

    @OptionGroup var options: EvaluationOptions
    @Option(help: "A mixture layer, such as layer4.0.conv1; may be given several times (all layers by default).")
    var layer: [String] = []

    var speech: SpeechOptions { options.speech }

    func run() throws { try options.run(fixedLayers: layer) }
}
