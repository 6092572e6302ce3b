import Configuration
import Files
import Networks
import Training
import Weights

/// The weights that are evaluated: a checkpoint's, or those of a file in some layout.
enum EvaluatedWeights: Sendable {
    case checkpoint(Checkpoint, RunState)
    case file(WeightFile, sha256: String)

    /// Finds what a path given by a user means.
    init(_ path: String, layout: CheckpointLayout?) throws {
        if let layout, !FileSystem.isDirectory(path) {
            let file = try WeightFile(path, layout: layout)
            let digest = try asCheckpointError { () throws(FileSystemError) in try FileDigest(ofFileAt: path) }
            self = .file(file, sha256: digest.sha256)
            return
        }
        if let layout, layout != .robustmoe {
            throw RunError.unusable("\(path) is a directory; expected a safetensors file of layout \(layout.rawValue)")
        }
        if layout == nil, path.hasSuffix(".safetensors"), FileSystem.exists(path) {
            throw RunError.unusable(
                "\(path) is a file of weights; pass --layout with one of "
                    + CheckpointLayout.allCases.map(\.rawValue).joined(separator: ", "))
        }
        let checkpoint = try Checkpoint.verify(try CheckpointStore.locate(path))
        self = .checkpoint(checkpoint, try RunState.read(from: checkpoint))
    }

    /// What is known of the configuration: all of a run's, the network of a file.
    func configurationLayer() throws -> ConfigurationLayer {
        switch self {
        case .checkpoint(let checkpoint, let state):
            let origin = "\(checkpoint.path)/state.json"
            return try state.runConfiguration(origin: origin).carriedOver(origin: origin)
        case .file(let file, _):
            return try file.signature().configurationLayer(origin: file.path, normalizes: file.layout.usuallyNormalizes)
        }
    }

    /// The checkpoint, if that is what they are of.
    var checkpoint: Checkpoint? { if case .checkpoint(let checkpoint, _) = self { checkpoint } else { nil } }

    /// Checks that the weights are all that a run of this configuration asks for.
    func check(_ configuration: RunConfiguration) throws {
        guard case .file(let file, _) = self, configuration.moe.kind.value == .channel,
            configuration.moe.scope == .image,
            configuration.moe.routes == .learned, !file.hasImageRouter
        else { return }
        throw RunError.unusable(
            "\(file.path) holds no router; expected one, or moe.routes uniform or an expert's number, found learned")
    }

    /// What tables call the weights.
    var name: String {
        switch self {
        case .checkpoint(_, let state): CheckpointStore.name(ofStep: state.step)
        case .file(let file, _): FileSystem.lastComponent(of: file.path)
        }
    }

    /// The hash of the file that holds them.
    var sha256: String? {
        switch self {
        case .checkpoint(let checkpoint, _): checkpoint.files[Checkpoint.modelFile]?.sha256
        case .file(_, let sha256): sha256
        }
    }

    /// The run that they come from; a file's first digits of its hash.
    var runID: String {
        switch self {
        case .checkpoint(_, let state): state.runID
        case .file(_, let sha256): String(sha256.prefix(12))
        }
    }

    /// The steps that led to them; 0 where that is not known.
    var step: Int { if case .checkpoint(_, let state) = self { state.step } else { 0 } }
    /// The epochs done.
    var epoch: Int {
        if case .checkpoint(_, let state) = self { state.step / max(1, state.stepsPerEpoch) } else { 0 }
    }

    /// A line for a person.
    var description: String {
        switch self {
        case .checkpoint(let checkpoint, let state): "checkpoint \(checkpoint.path) of run \(state.runID)"
        case .file(let file, _): "weights \(file.path), layout \(file.layout.rawValue)"
        }
    }

    /// Fills a network.
    func load(_ weights: RunConfiguration.Evaluation.Weights, into network: Network) throws {
        switch self {
        case .checkpoint(let checkpoint, _):
            try ModelTensors.load(weightsOf: checkpoint, into: network)
            guard weights == .average else { return }
            let tensors = try checkpoint.tensors(in: Checkpoint.stateFile)
            guard WeightAverage.isIn(tensors) else { throw Self.noAverage(checkpoint.path) }
            try WeightAverage.load(tensors, into: network, from: "\(checkpoint.path)/\(Checkpoint.stateFile)")
        case .file(let file, _):
            guard weights == .raw else { throw Self.noAverage(file.path) }
            try file.load(into: network)
        }
    }

    private static func noAverage(_ path: String) -> RunError {
        .checkpoint(
            "\(path): evaluation.weights is average, but its run kept none; expected raw, or a run with "
                + "training.weight_average")
    }
}
