import Attacks
import Collectives
import Configuration
import Datasets
import Evaluation
import Files
import NetworkAttacks
import Networks
import Tensors

/// What attacks of an evaluation need beside the network that is judged.
struct AttackMaterial {
    /// Passes of the networks that attacks are made on, by where these are stored.
    let sources: [String: PassFactory]
    /// The attacks, with the images that files hold for them, and with the perturbations once these are made.
    private(set) var attacks: [EvaluatedAttack]
    /// The SHA-256 of the files that it was read from, see ``files(of:)``.
    let files: [String: [String]]
    /// The SHA-256 of all of it.
    let hashes: [String]
    private let training: CraftingData?
    private let configuration: RunConfiguration

    /// Reads it; collective.
    /// - Parameters:
    ///   - passes: Those of the network that is judged.
    ///   - data: The images that are evaluated.
    /// - Throws: ``RunError`` if a network is for other images or classes, if an image in a file is missing or not where its
    ///   attack may go, or if there are fewer training images than wanted.
    init(
        _ attacks: [EvaluatedAttack], _ configuration: RunConfiguration, _ passes: PassFactory, _ data: EvaluationData,
        _ communicator: any Communicator
    ) throws {
        var sources: [String: PassFactory] = [:]
        files = try Self.files(of: configuration)
        var hashes = files.sorted { $0.key < $1.key }.flatMap(\.value)
        for path in Set(attacks.flatMap(\.stages).compactMap(\.source)).sorted() {
            let weights = try EvaluatedWeights(path, layout: nil)
            sources[path] = try Self.source(path, weights, configuration, passes, data)
        }
        self.sources = sources
        var attacks = attacks
        try attacks.fill { (stored: inout StoredImages, _) in
            try Self.fill(&stored, configuration, passes.workspace, data)
        }
        var training: CraftingData?
        try attacks.fill { (perturbation: inout UniversalPerturbation, attack) in
            let images = try training ?? CraftingData(configuration, loop: passes.workspace.loop, communicator)
            training = images
            perturbation.images = try Self.count(of: perturbation, images, attack)
        }
        if let training { hashes.append(training.set.contentDigest) }
        (self.attacks, self.training, self.hashes, self.configuration) = (attacks, training, hashes, configuration)
    }

    /// The SHA-256 of the files that the attacks of a configuration are made with, by where they lie.
    static func files(of configuration: RunConfiguration) throws -> [String: [String]] {
        var files: [String: [String]] = [:]
        for attack in configuration.resolvedEvaluationAttacks {
            if attack.name == .transfer, let path = attack.source {
                files[path] = try EvaluatedWeights(path, layout: nil).hashes
            }
            if attack.name == .file, let path = attack.file { files[path] = [try FileDigest(ofFileAt: path).sha256] }
        }
        return files
    }

    /// Makes what is made before any image is judged; collective.
    /// - Parameters:
    ///   - passes: Those of the network that is judged.
    ///   - say: Told what takes a while.
    /// - Throws: ``UniversalCrafting/Stopped`` on all ranks if one was to stop.
    mutating func make(
        _ passes: PassFactory, _ communicator: any Communicator, wantsToStop: @escaping () -> Bool,
        say: (String) throws -> Void
    ) throws {
        guard let training else { return }
        let crafting = UniversalCrafting(
            passes, communicator, chunk: configuration.evaluation.chunk, seed: configuration.evaluationSeed,
            wantsToStop: wantsToStop)
        try attacks.fill { (perturbation: inout UniversalPerturbation, attack) in
            let images = training.indices.prefix(perturbation.images ?? 0)
            try say("making \(attack.id) on \(images.count) training images")
            try crafting.make(&perturbation, attack, training.set, images)
        }
    }

    /// Training images that a perturbation is made on where none says how many.
    private static let usualTrainSamples = 1000

    private static func count(
        of perturbation: UniversalPerturbation, _ images: CraftingData, _ attack: NetworkAttack
    ) throws -> Int {
        let found = images.indices.count
        guard let wanted = perturbation.images else { return min(usualTrainSamples, found) }
        guard wanted <= found else {
            throw RunError.unusable(
                "attack \(attack.id): train_samples is \(wanted), allowed are 1 to \(found), the training images there are"
            )
        }
        return wanted
    }

    private static func source(
        _ path: String, _ weights: EvaluatedWeights, _ configuration: RunConfiguration, _ passes: PassFactory,
        _ data: EvaluationData
    ) throws -> PassFactory {
        guard case .checkpoint(let checkpoint, let state) = weights else {
            throw RunError.unusable("source: expected a run or a checkpoint, found \(path)")
        }
        let set = data.set
        let own = [set.height, set.width, set.channels, set.traits.classes]
        let other = state.images.shape + [state.images.classNames.count]
        guard own == other else {
            func text(_ numbers: [Int]) -> String {
                "\(numbers.dropLast().map(String.init).joined(separator: " x ")) and \(numbers[numbers.count - 1]) classes"
            }
            throw RunError.unusable(
                "source: the network of \(path) is for images of \(text(other)), expected those that are evaluated, "
                    + text(own))
        }
        let saved = try RunConfiguration.resolveWithWarnings(
            layers: [try weights.configurationLayer()], for: .evaluation
        ).configuration
        let network = try Network(saved.networkSettings(set.traits, own: checkpoint), seed: 0)
        try weights.load(saved, into: network)
        return PassFactory(
            network, workspace: passes.workspace,
            filters: FilterCache(capacityMegabytes: configuration.kernels.transformCacheMegabytes),
            arithmetic: configuration.kernels.passArithmetic, routing: saved.routingRule)
    }

    /// Reads an attack's images, and checks them against the clean ones that are evaluated.
    private static func fill(
        _ stored: inout StoredImages, _ configuration: RunConfiguration, _ workspace: Workspace, _ data: EvaluationData
    ) throws {
        let set = data.set
        stored.images = try AttackedImages(path: stored.origin, shape: [set.height, set.width, set.channels]).byIndex
        let chunk = configuration.evaluation.chunk
        for start in Swift.stride(from: 0, to: data.indices.count, by: chunk) {
            let part = set.chunk(data.indices[start..<min(data.indices.count, start + chunk)], workspace: workspace)
            do { _ = try stored.stored(part.images, samples: part.indices) } catch let error as AttackError {
                throw RunError.unusable("\(error)")
            }
        }
        let wanted = Set(data.indices)
        stored.images = stored.images.filter { wanted.contains($0.key) }
    }
}

extension [EvaluatedAttack] {
    /// Completes the searches of one kind.
    fileprivate mutating func fill<Search: Attacks.Attack>(
        _ complete: (inout Search, NetworkAttack) throws -> Void
    ) throws {
        for attack in indices {
            for stage in self[attack].stages.indices {
                guard var search = self[attack].stages[stage].search as? Search else { continue }
                try complete(&search, self[attack].stages[stage])
                self[attack].stages[stage].search = search
            }
        }
    }
}
