import Attacks
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
    /// The attacks, with the images that files hold for them.
    let attacks: [EvaluatedAttack]

    /// Reads it.
    /// - Parameters:
    ///   - passes: Those of the network that is judged.
    ///   - data: The images that are evaluated.
    /// - Throws: ``RunError`` if a network is for other images or classes; ``AttackError`` if an image in a file is missing, or
    ///   not where its attack may go.
    init(
        _ attacks: [EvaluatedAttack], _ configuration: RunConfiguration, _ passes: PassFactory, _ data: EvaluationData
    ) throws {
        var sources: [String: PassFactory] = [:]
        for path in Set(attacks.flatMap(\.stages).compactMap(\.source)).sorted() {
            sources[path] = try Self.source(path, configuration, passes, data)
        }
        self.sources = sources
        self.attacks = try attacks.map { attack in
            var attack = attack
            for stage in attack.stages.indices {
                guard var stored = attack.stages[stage].search as? StoredImages else { continue }
                try Self.fill(&stored, configuration, passes.workspace, data)
                attack.stages[stage].search = stored
            }
            return attack
        }
    }

    private static func source(
        _ path: String, _ configuration: RunConfiguration, _ passes: PassFactory, _ data: EvaluationData
    ) throws -> PassFactory {
        let weights = try EvaluatedWeights(path, layout: nil)
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
            arithmetic: configuration.kernels.arithmetic, routing: saved.routingRule)
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
