import Attacks
import Networks
import Tensors

/// What an attack on a mixture of experts is made on in place of the network as it is used; the latter judges its images
/// all the same.
///
/// The choice of an expert has no slope. An attack that follows gradients of the network as it is used therefore never learns
/// what another expert would have said, and a network may look robust for no other reason. Each surrogate takes routing out
/// of the way in another manner. Restarts of a search are compared on the surrogate.
public enum Surrogate: Hashable, Sendable {
    /// The network as it is used.
    case none
    /// The same with input gradients through its gates by this rule.
    case gateGradient(GateGradient)
    /// Every image goes to the expert of this number in every mixture layer, with weight 1.
    case expert(Int)
    /// Every image goes to these experts, one for each mixture layer in their order, with weight 1.
    case pathway([Int])
    /// Each image goes along the pathway on which its clean loss is highest, while routers are driven towards it: experts
    /// and routers are attacked together (after the abstract of J-TLGA, arXiv:2602.01369).
    ///
    /// What is made large is the objective on that pathway less `beta` times the cross entropy of the routers, which see
    /// the features along it, with its experts: where they have come to choose all of these, the network as it is used is
    /// the pathway. Pathways are those of ``pathways(layers:experts:)``.
    case weakestPathway

    /// The most pathways of which all are attacked.
    public static let mostPathways = 16

    /// The pathways through a network of so many mixture layers: all combinations of experts where these are at most
    /// ``mostPathways``, else one for each expert's number, the same in every layer.
    ///
    /// Experts grow as a power of the layers: two in each of the sixteen layers of a ResNet-18 make 65,536 pathways.
    public static func pathways(layers: Int, experts: Int) -> [[Int]] {
        var all: [[Int]] = [[]]
        for _ in 0..<layers {
            all = all.flatMap { path in (0..<experts).map { path + [$0] } }
            guard all.count <= mostPathways else {
                return (0..<experts).map { [Int](repeating: $0, count: layers) }
            }
        }
        return all
    }

    /// Whether the routers' own choices are set aside.
    public var fixesRoutes: Bool {
        switch self {
        case .none, .gateGradient: false
        case .expert, .pathway, .weakestPathway: true
        }
    }

    /// Sets a pass up for the surrogate; routes that are given already stay.
    ///
    /// - Parameters:
    ///   - batch: The clean images.
    ///   - objective: What the attack makes large.
    ///   - beta: The factor of the routers' part, where the surrogate adds one.
    ///   - progress: Called before every pass.
    /// - Returns: What is made large on the surrogate.
    func prepare(
        _ pass: inout Pass, of network: Network, _ batch: AttackBatch, _ objective: any Objective, beta: Double,
        progress: @escaping () throws -> Void
    ) throws -> any Objective {
        let layers = network.mixtureLayers
        switch self {
        case .none: return objective
        case .gateGradient(let rule):
            pass.gateGradient = rule
            return objective
        case .expert(let expert):
            pass.giveWhereOpen(layers.map { ($0, .expert(expert)) })
            return objective
        case .pathway(let experts):
            precondition(
                experts.count == layers.count, "expected \(layers.count) experts of a pathway, got \(experts.count)")
            pass.giveWhereOpen(zip(layers, experts).map { ($0, .expert($1)) })
            return objective
        case .weakestPathway:
            let chosen = try Self.weakest(of: network, pass, batch, progress: progress)
            let experts = network.settings.mixture?.router.experts ?? 1
            let targets = layers.indices.map { layer in
                (
                    layers[layer],
                    chosen.map { $0.flatMap { path in (0..<experts).map { $0 == path[layer] ? Float(1) : 0 } } }
                )
            }
            let isOpen = Set(layers.filter { pass.given[$0] == nil })
            pass.giveWhereOpen(
                layers.indices.map { layer in
                    let routes = chosen.map { paths in
                        Routes(
                            choices: 1, experts: paths.map { $0[layer] },
                            weights: [Float](repeating: 1, count: paths.count))
                    }
                    return (layers[layer], .routes(routes))
                })
            pass.observesRouters = true
            let routers = RouterObjective(
                targets: Dictionary(
                    targets.filter { isOpen.contains($0.0) }, uniquingKeysWith: { first, _ in first }))
            return WeightedSumObjective([(objective, 1), (routers, -beta)])
        }
    }

    /// The pathway on which each clean image has the highest cross entropy, `[shard][image][layer]`; the first of equals.
    private static func weakest(
        of network: Network, _ pass: Pass, _ batch: AttackBatch, progress: @escaping () throws -> Void
    ) throws -> [[[Int]]] {
        let layers = network.mixtureLayers
        let pathways = pathways(layers: layers.count, experts: network.settings.mixture?.router.experts ?? 1)
        var chosen = batch.images.map { [[Int]](repeating: pathways[0], count: $0.images) }
        var highest = batch.images.map { [Double](repeating: -.infinity, count: $0.images) }
        for pathway in pathways {
            var given = pass
            given.giveWhereOpen(zip(layers, pathway).map { ($0, .expert($1)) })
            let outputs = try NetworkTarget(network, given, progress: progress)
                .outputs(batch.images, readsRouters: false, draw: 0)
            for shard in outputs.indices {
                let losses = CrossEntropy.evaluate(outputs[shard].logits, batch.labels[shard], divisor: 1).losses
                for image in losses.indices where losses[image] > highest[shard][image] {
                    highest[shard][image] = losses[image]
                    chosen[shard][image] = pathway
                }
            }
        }
        return chosen
    }
}

extension Pass {
    /// Gives the routes of layers that have none given yet.
    fileprivate mutating func giveWhereOpen(_ routes: [(String, GivenRoutes)]) {
        for (layer, routes) in routes where given[layer] == nil { given[layer] = routes }
    }
}
