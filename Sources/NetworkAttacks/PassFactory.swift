import Attacks
import Networks
import Tensors

/// How images find their experts in a run, before it is said in which pass.
public struct RoutingRule: Hashable, Sendable {
    /// Who decides.
    public enum Decision: Hashable, Sendable {
        /// The routers.
        case learned
        /// The image's index modulo the number of experts.
        case uniform
        /// Always the expert of this number, counted from 0.
        case expert(Int)
    }

    /// Who decides.
    public var decision: Decision
    /// The deviation of the noise on scores in training passes, as a multiple of the scores' own.
    public var noise: Float
    /// The most images that an expert takes in a training pass, in even shares; nil for no limit.
    public var capacity: Double?
    /// The seed of the noise.
    public var seed: UInt64

    /// Makes a rule; see the properties.
    public init(_ decision: Decision = .learned, noise: Float = 0, capacity: Double? = nil, seed: UInt64) {
        self.decision = decision
        self.noise = noise
        self.capacity = capacity
        self.seed = seed
    }

    /// Routing with neither noise nor capacity.
    public var plain: Routing {
        switch decision {
        case .learned: .learned(nil)
        case .uniform: .uniform
        case .expert(let number): .fixed(number)
        }
    }

    /// Routing in a training pass of a step; passes of one step that differ in `draw` see other noise.
    public func training(step: Int, draw: Int = 0) -> Routing {
        guard decision == .learned else { return plain }
        return .learned(TrainingRouting(noise: noise, capacity: capacity, seed: seed, step: step).redrawn(draw))
    }
}

/// Makes the passes of a network that is trained, attacked or evaluated: what they have in common is said once.
public struct PassFactory {
    /// The network.
    public let network: Network
    /// Memory and threads.
    public var workspace: Workspace
    /// Prepared filters.
    public var filters: FilterCache
    /// Which kernels may be used.
    public var arithmetic: Arithmetic
    /// What batch norm normalizes by in training passes.
    public var normalization: Normalization
    /// Groups that are not trained: running statistics normalize their batch norms in every pass, and stay as they are.
    public var frozenGroups: Set<ParameterGroup>
    /// How images find their experts.
    public var routing: RoutingRule
    /// Sums over the global batch.
    public var statistics: any BatchStatistics
    /// Called before every pass of an attack, so that a long one can tell others that it goes on; one that is to end throws.
    public var progress: () throws -> Void = {}
    /// Layers, by path, whose routes are given in every pass.
    public var given: [String: GivenRoutes] = [:]
    /// What moves images before the network sees them, in verdicts and attacks that do not leave it out; nil for nothing.
    public var antiAdversary: AntiAdversary?

    /// Makes a factory; see the properties.
    public init(
        _ network: Network, workspace: Workspace, filters: FilterCache, arithmetic: Arithmetic = .fast,
        normalization: Normalization = .local, frozenGroups: Set<ParameterGroup> = [], routing: RoutingRule,
        statistics: any BatchStatistics = SoloStatistics()
    ) {
        self.network = network
        self.workspace = workspace
        self.filters = filters
        self.arithmetic = arithmetic
        self.normalization = normalization
        self.frozenGroups = frozenGroups
        self.routing = routing
        self.statistics = statistics
    }

    /// A pass that trains on images: batch moments, noise and capacity, everything recorded.
    /// - Parameter samples: The index in the data set of every image, `[shard][image]`.
    public func training(samples: [[Int]], step: Int, draw: Int, record: PassRecord) -> Pass {
        pass(normalization, routing.training(step: step, draw: draw), samples: samples, record: record)
    }

    /// A pass of the network as it is used: running statistics, no noise.
    public func frozen(samples: [[Int]], record: PassRecord? = nil) -> Pass {
        var pass = pass(.running, routing.plain, samples: samples, record: record)
        pass.folds = arithmetic != .exact
        return pass
    }

    /// The images that the network is shown in place of these, by passes such as `pass`.
    public func shown(_ images: [Tensor], _ pass: Pass) throws -> [Tensor] {
        guard let antiAdversary else { return images }
        return try antiAdversary.shown(images, to: NetworkTarget(network, pass, progress: progress))
    }

    /// A pass by which an attack looks at the network.
    public func attack(_ attack: NetworkAttack, samples: [[Int]], step: Int, draw: Int) -> Pass {
        var pass = frozen(samples: samples)
        if attack.batchNorm != .frozen {
            pass.normalization = normalization
            pass.folds = false
        }
        if attack.routing == .noisy { pass.routing = routing.training(step: step, draw: draw) }
        return pass
    }

    private func pass(
        _ normalization: Normalization, _ routing: Routing, samples: [[Int]], record: PassRecord?
    ) -> Pass {
        var pass = Pass(
            parameters: network.parameters, workspace: workspace, filters: filters, arithmetic: arithmetic,
            normalization: normalization, routing: routing, statistics: statistics, samples: samples, record: record)
        pass.given = given
        pass.frozenGroups = frozenGroups
        return pass
    }
}
