import ArgumentParser
import Runs
import Weights

struct Experts: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures every expert of a checkpoint as a network of its own, and how images are routed.",
        discussion: """
            A layer's experts are fixed one after the other, all images going to that one, and the network with it is
            attacked: fixed_experts.csv holds accuracy and loss of each beside those of the gated network. The other
            tables are those of evaluate. Attacks are evaluation.attacks, for instance evaluation.attacks.0.steps=20.
            """)

    @Option(help: "A checkpoint directory, a pointer file, or a run directory.")
    var checkpoint: String
    @Option(
        help: "The layout of --checkpoint, if that is a safetensors file: robustmoe, torchvision, robust-sparse-moes.")
    var layout: CheckpointLayout?
    @Option(help: "A YAML file of settings, above the checkpoint's own.")
    var config: String?
    @Option(help: "Where fixed_experts.csv and the tables of evaluate go.")
    var output: String
    @Option(help: "A mixture layer, such as layer4.0.conv1; may be given several times (all layers by default).")
    var layer: [String] = []
    @Flag(help: "Replace the results that the directory holds.")
    var force = false
    @Argument(help: "key=value settings.")
    var settings: [String] = []

    func run() throws {
        let session = EvaluationSession(
            checkpoint: checkpoint, layout: layout, configFile: config, output: output, force: force,
            settings: settings,
            fixedLayers: layer)
        let prepared = try Job.prepare { try session.prepare() }
        try Job.run(timeoutSeconds: prepared.configuration.distributed.timeoutSeconds) { communicator in
            try session.run(prepared, communicator)
        }
    }
}
