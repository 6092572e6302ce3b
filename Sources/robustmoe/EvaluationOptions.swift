import ArgumentParser
import Runs
import Weights

/// What `evaluate` and `experts` are told alike.
struct EvaluationOptions: ParsableArguments {
    @Option(help: "A checkpoint directory, a pointer file, or a run directory.", completion: .file())
    var checkpoint: String
    @Option(
        help: """
            The layout of --checkpoint, if that is a safetensors file: \
            \(CheckpointLayout.allCases.map(\.rawValue).joined(separator: ", ")).
            """)
    var layout: CheckpointLayout?
    @Option(
        parsing: .singleValue,
        help: "A YAML file of settings, above the checkpoint's own; of several, each lies over those before it.",
        completion: .file(extensions: ["yaml", "yml"]))
    var config: [String] = []
    @Option(help: "The directory of evaluation.csv and the other tables.", completion: .directory)
    var output: String
    @Option(
        help: "Go on with an evaluation that ended early: 'auto', with the command that began it.",
        completion: .list(["auto"]))
    var resume: String?
    @Flag(help: "Replace the results that the directory holds.")
    var force = false
    @OptionGroup var speech: SpeechOptions
    @Argument(help: "key=value settings.", completion: SettingCompletion.kind)
    var settings: [String] = []

    func validate() throws {
        if force && resume != nil { throw ValidationError("--force and --resume exclude each other") }
        if let resume, resume != "auto" { throw ValidationError("--resume is \(resume), expected auto") }
    }

    /// Evaluates on all ranks.
    /// - Parameters:
    ///   - fixedLayers: The mixture layers whose experts are evaluated one by one; nil means none.
    ///   - labelPath: The pack that the images of `data.extra` are written to with the network's labels; nil means none.
    func run(fixedLayers: [String]? = nil, labelPath: String? = nil) throws {
        let session = EvaluationSession(
            checkpoint: checkpoint, layout: layout, configFiles: config, output: output, force: force,
            resume: resume != nil, settings: settings, fixedLayers: fixedLayers, labelPath: labelPath)
        let prepared = try Job.prepare { try session.prepare() }
        try Job.run(timeoutSeconds: prepared.configuration.distributed.timeoutSeconds) { communicator in
            try session.run(prepared, communicator)
        }
    }
}
