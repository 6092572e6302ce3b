import Configuration
import Datasets
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
            return try file.signature().configurationLayer(origin: file.path)
        }
    }

    /// The checkpoint, if that is what they are of.
    var checkpoint: Checkpoint? { if case .checkpoint(let checkpoint, _) = self { checkpoint } else { nil } }

    /// Checks that the weights are all that a run of this configuration asks for, and that somebody has said what a file of
    /// weights does not tell and results hang on.
    func check(_ resolved: ResolvedConfiguration<RunConfiguration>) throws {
        guard case .file(let file, _) = self else { return }
        let configuration = resolved.configuration
        if file.saysNormalization, resolved.isGiven("model.normalize") {
            throw RunError.unusable(
                "\(file.path) says itself what images are normalized by; expected no model.normalize, found "
                    + configuration.model.normalize.rawValue)
        }
        if !file.layout.holdsNormalization, !file.saysNormalization, !resolved.isGiven("model.normalize") {
            throw RunError.unusable(
                "\(file.path): layout \(file.layout.rawValue) does not store what images are normalized by; expected "
                    + "model.normalize=none, or model.normalize=dataset for the mean and deviation of "
                    + "\(configuration.data.dataset.rawValue)")
        }
        if choosesExperts, configuration.moe.experts > 1, !resolved.isGiven("moe.top_k") {
            throw RunError.unusable(
                "\(file.path) does not tell how many of the \(configuration.moe.experts) experts an image goes to; expected "
                    + "moe.top_k=1 to \(configuration.moe.experts)")
        }
        guard configuration.moe.kind.value == .channel,
            configuration.moe.scope == .image,
            configuration.moe.routes == .learned, !file.hasImageRouter
        else { return }
        throw RunError.unusable(
            "\(file.path) holds no router; expected one, or moe.routes uniform or an expert's number, found learned")
    }

    /// Whether the file is of a mixture whose gate it does not tell: channel experts have one gate.
    private var choosesExperts: Bool {
        guard case .file(let file, _) = self, let mixture = try? file.signature().mixture else { return false }
        return mixture.kind != .channel
    }

    /// What was taken for granted of a file of weights that does not tell: settings that nobody gave.
    func assumptions(_ resolved: ResolvedConfiguration<RunConfiguration>) -> [String] {
        guard choosesExperts else { return [] }
        let moe = resolved.configuration.moe
        var assumed = [("moe.weights", moe.weights.rawValue), ("moe.straight_through", "\(moe.isStraightThrough)")]
        if moe.router == .firstChannels { assumed.append(("moe.router", moe.router.rawValue)) }
        return assumed.filter { !resolved.isGiven($0.0) }.map { "assumed \($0.0)=\($0.1)" }
    }

    /// The attack that the weights were trained against; nil where there was none, or nobody knows.
    var trainingAttack: RunConfiguration.Attack? {
        get throws {
            guard case .checkpoint(let checkpoint, let state) = self else { return nil }
            return try state.runConfiguration(origin: "\(checkpoint.path)/state.json").trainingAttack
        }
    }

    /// What tables call the normalization: that of the configuration, or `own` where the file says it.
    func normalizationName(_ configured: String) -> String {
        if case .file(let file, _) = self, file.saysNormalization { "own" } else { configured }
    }

    /// Takes over what a file says images are normalized by.
    func adoptNormalization(_ settings: inout NetworkSettings) throws {
        guard case .file(let file, _) = self, let (mean, deviation) = try file.normalization() else { return }
        (settings.mean, settings.deviation) = (mean, deviation)
    }

    /// Checks that images are those of the checkpoint's run: the classes of any, and all of them where they are its validation
    /// images.
    func check(_ images: EvaluationData, _ configuration: RunConfiguration) throws {
        guard case .checkpoint(let checkpoint, let state) = self else { return }
        if let difference = DataIdentity.difference(images.set.classNames, from: state.images.classNames) {
            throw DatasetError.otherImages("\(checkpoint.path): \(difference)")
        }
        guard let difference = images.identity?.difference(from: state.images) else { return }
        let saved = try state.runConfiguration(origin: "\(checkpoint.path)/state.json")
        let changed = configuration.changedImageKeys(from: saved)
        throw RunError.checkpoint(
            "\(checkpoint.path): found \(difference)"
                + (changed.isEmpty ? "" : " (\(changed.joined(separator: ", ")))")
                + "; evaluation.seed draws other attacks without other images")
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

    /// The hashes of all files that weights are read from.
    var hashes: [String] {
        guard case .checkpoint(let checkpoint, _) = self else { return [sha256].compactMap { $0 } }
        return [Checkpoint.modelFile, Checkpoint.stateFile].compactMap { checkpoint.files[$0]?.sha256 }
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

    /// Fills a network that was made from a configuration.
    func load(_ configuration: RunConfiguration, into network: Network) throws {
        do { try load(configuration.evaluation.weights, into: network) } catch let error as RunError {
            guard case .checkpoint(let checkpoint, let state) = self else { throw error }
            let saved = try state.runConfiguration(origin: "\(checkpoint.path)/state.json")
            let changed = configuration.changedNetworkKeys(from: saved)
            throw changed.isEmpty
                ? error : RunError.checkpoint("\(changed.joined(separator: "\n"))\n\(error)")
        }
    }

    private func load(_ weights: RunConfiguration.Evaluation.Weights, into network: Network) throws {
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
