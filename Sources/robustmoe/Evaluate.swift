import ArgumentParser
import Runs
import Weights

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures the clean and attacked accuracy of a checkpoint.",
        discussion: """
            Attacks are evaluation.attacks of the configuration, for instance
            evaluation.attacks.0.steps=20; without any, the clean images and the training attack.
            """)

    @Option(help: "A checkpoint directory, a pointer file, or a run directory.")
    var checkpoint: String
    @Option(
        help: "The layout of --checkpoint, if that is a safetensors file: robustmoe, torchvision, robust-sparse-moes.")
    var layout: CheckpointLayout?
    @Option(help: "A YAML file of settings, above the checkpoint's own.")
    var config: String?
    @Option(help: "Where evaluation.csv, per_sample.csv, classes.csv and the tables of experts go.")
    var output: String
    @Flag(help: "Replace the results that the directory holds.")
    var force = false
    @Argument(help: "key=value settings.")
    var settings: [String] = []

    func run() throws {
        let session = EvaluationSession(
            checkpoint: checkpoint, layout: layout, configFile: config, output: output, force: force, settings: settings
        )
        let prepared = try Job.prepare { try session.prepare() }
        try Job.run(timeoutSeconds: prepared.configuration.distributed.timeoutSeconds) { communicator in
            try session.run(prepared, communicator)
        }
    }
}
