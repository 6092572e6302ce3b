import NetworkAttacks
import Networks
import Tensors

/// Which parameters are trained.
package enum TrainedParameters: String, CaseIterable, Sendable {
    case all
    /// Routers alone.
    case router
    /// Everything but routers.
    case experts
    /// Scores of filters, by which a network is pruned, and batch norms; weights stand still.
    case scores

    /// The groups that an update moves.
    package var groups: Set<ParameterGroup> {
        switch self {
        case .all: [.backbone, .router]
        case .router: [.router]
        case .experts, .scores: [.backbone]
        }
    }
}

/// How the parameters of one group are moved over time.
package struct GroupSettings: Sendable {
    /// The rule of the step.
    package var optimizer: OptimizerSettings
    /// The learning rate over time.
    package var schedule: LearningRateSchedule

    /// Makes settings of a group.
    package init(_ optimizer: OptimizerSettings, _ schedule: LearningRateSchedule) {
        self.optimizer = optimizer
        self.schedule = schedule
    }
}

/// What a step of training is, whatever the method.
package struct TrainingSettings {
    /// What random numbers are drawn from.
    package var seed: UInt64
    /// Images of a step over all ranks.
    package var globalBatch: Int
    /// Images that a rank runs at once; nil means all.
    package var microBatch: Int?
    /// What a step does where a value is not finite.
    package var onNonFinite: NonFinitePolicy
    /// What is trained.
    package var parameters: TrainedParameters
    /// The share of each convolution's filters that `scores` keeps.
    package var filterShare: Double
    /// The decay of the moving average of the weights; nil means none is kept.
    package var weightAverage: Double?
    /// How backbone and routers are moved.
    package var groups: [ParameterGroup: GroupSettings]
    /// The attack on the images of every step; nil where there is none.
    package var attack: NetworkAttack?
    /// What batch norm normalizes by in training passes.
    package var normalization: Normalization
    /// How images find their experts.
    package var routing: RoutingRule
    /// Which kernels may be used, but for attacks.
    package var arithmetic: Arithmetic
    /// Which kernels the attack's passes may use.
    package var attackArithmetic: Arithmetic
    /// The memory for prepared filters, in MiB.
    package var filterCacheMegabytes: Int
    /// The pieces in which gradients are summed, in MiB.
    package var bucketMegabytes: Double
    /// How gradients are written for other ranks.
    package var wire: GradientWire
    /// Whether what that leaves out is sent with the next gradients.
    package var feedsErrorBack: Bool
    /// Shards of this rank, and whether sums are taken in the fixed order of all shards.
    package var shards: Int
    package var isOrdered: Bool

    /// Makes settings; see the properties.
    package init(
        seed: UInt64, globalBatch: Int, microBatch: Int? = nil, onNonFinite: NonFinitePolicy = .stop,
        parameters: TrainedParameters = .all, filterShare: Double = 0.5, weightAverage: Double? = nil,
        groups: [ParameterGroup: GroupSettings], attack: NetworkAttack? = nil, normalization: Normalization = .local,
        routing: RoutingRule,
        arithmetic: Arithmetic = .fast, attackArithmetic: Arithmetic = .fast, filterCacheMegabytes: Int = 2048,
        bucketMegabytes: Double = 4, wire: GradientWire = .float32, feedsErrorBack: Bool = false, shards: Int = 1,
        isOrdered: Bool = false
    ) {
        self.seed = seed
        self.globalBatch = globalBatch
        self.microBatch = microBatch
        self.onNonFinite = onNonFinite
        self.parameters = parameters
        self.filterShare = filterShare
        self.weightAverage = weightAverage
        self.groups = groups
        self.attack = attack
        self.normalization = normalization
        self.routing = routing
        self.arithmetic = arithmetic
        self.attackArithmetic = attackArithmetic
        self.filterCacheMegabytes = filterCacheMegabytes
        self.bucketMegabytes = bucketMegabytes
        self.wire = wire
        self.feedsErrorBack = feedsErrorBack
        self.shards = shards
        self.isOrdered = isOrdered
    }
}
