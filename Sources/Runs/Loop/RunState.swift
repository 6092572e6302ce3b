import Configuration
import Files
import Foundation
import Training

/// What a checkpoint keeps beside tensors (`state.json`): enough to go on as if nothing had happened.
struct RunState: Codable {
    static let formatVersion = 3

    var formatVersion = RunState.formatVersion
    var runID: String
    /// Steps done since the run began.
    var step: Int
    var stepsPerEpoch: Int
    /// The resolved configuration, as YAML, and its SHA-256.
    var configuration: String
    var configurationHash: String
    /// Bytes of each table up to here.
    var tableOffsets: [String: Int]
    var blasKernel: String
    var ranks: Int
    /// What has been added up since the last train rows, for each kind of training inputs.
    var windows: [TrainingWindow]
    var bestRobustAccuracy: Double?
    /// Whether an evaluation after this step is still to be made.
    var isEvaluationDue: Bool
    /// The images that the run is trained on.
    var images: DataIdentity
    /// The images that batches have beside them; nil where there are none.
    var extra: ExtraIdentity?
    /// Steps that changed nothing.
    var skipped: SkippedSteps?
    /// What is remembered of the probe.
    var watch: RobustnessWatch?

    enum CodingKeys: String, CodingKey {
        case formatVersion = "format_version"
        case runID = "run_id"
        case step
        case stepsPerEpoch = "steps_per_epoch"
        case configuration
        case configurationHash = "configuration_sha256"
        case tableOffsets = "table_offsets"
        case blasKernel = "blas_kernel"
        case ranks
        case windows
        case bestRobustAccuracy = "best_robust_accuracy"
        case isEvaluationDue = "evaluation_is_due"
        case images = "data"
        case extra = "extra_data"
        case skipped
        case watch
    }

    /// The format alone, which is looked at before anything else is.
    private struct FormatVersion: Decodable {
        let number: Int

        enum CodingKeys: String, CodingKey {
            case number = "format_version"
        }
    }

    func data() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }

    static func read(from checkpoint: Checkpoint) throws -> RunState {
        do {
            let data = try checkpoint.data(in: "state.json")
            try requireFormat(data, of: checkpoint.path)
            let state = try JSONDecoder().decode(RunState.self, from: data)
            try state.validate(of: checkpoint)
            return state
        } catch let error as DecodingError {
            throw RunError.checkpoint(
                "\(checkpoint.path)/state.json: expected a run's state, found \(error)".printableLine)
        }
    }

    /// Throws if a checkpoint, damaged or not, says that it is of another format; looks at nothing else.
    static func requireFormat(ofCheckpointAt path: String) throws {
        let file = FileSystem.join(path, "state.json")
        guard let bytes = try? FileSystem.beginning(of: file, atMost: Checkpoint.largestText) else { return }
        do { try requireFormat(Data(bytes), of: path) } catch is DecodingError {}
    }

    private static func requireFormat(_ data: Data, of path: String) throws {
        let version = try JSONDecoder().decode(FormatVersion.self, from: data).number
        guard version == formatVersion else {
            throw RunError.checkpoint(
                "\(path): found a checkpoint of format \(version), expected \(formatVersion); its "
                    + "\(Checkpoint.modelFile) can be read as weights, with --layout robustmoe")
        }
    }

    /// The SHA-256 of a resolved configuration, in hexadecimal.
    static func hash(of configuration: RunConfiguration) -> String {
        ContentDigest(of: configuration.canonicalJSON.utf8).hexadecimal
    }

    /// The configuration that the checkpoint was written with.
    func runConfiguration(origin: String) throws -> RunConfiguration {
        try RunConfiguration.resolve(layers: [ConfigurationLayer(yaml: configuration, origin: origin)])
    }
}
