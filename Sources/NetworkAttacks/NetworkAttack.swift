import Attacks
import Networks
import Tensors

/// An attack on a network: the search, what it makes large, and in which state it meets the network.
public struct NetworkAttack: Sendable {
    /// What batch norm normalizes by while the attack runs.
    public enum BatchNorm: String, CaseIterable, Sendable {
        /// The running statistics.
        case frozen
        /// The batch that is attacked.
        case batch
        /// The batch that is attacked, which also moves the running statistics, at every step.
        case batchUpdating = "batch-updating"
    }

    /// How images are routed while the attack runs.
    public enum Routing: String, CaseIterable, Sendable {
        /// As in evaluation, anew at every step.
        case deterministic
        /// With the noise of training, drawn anew at every step.
        case noisy
        /// As the clean images are.
        case clean
    }

    /// What tables say of the search; nil where it has no such thing.
    public struct Description: Hashable, Sendable {
        /// How the size of a change is measured.
        public var norm: PerturbationBall.Norm?
        /// The radius, for images in [0, 1].
        public var epsilon: Double
        /// The length of a step in the same units.
        public var stepSize: Double?
        /// Gradient steps of each restart.
        public var steps: Int?
        /// Searches of which each image gets the worst.
        public var restarts: Int?
        /// Whether a random draw has a say in the result.
        public var isRandom: Bool

        /// Makes a description; see the properties.
        public init(
            norm: PerturbationBall.Norm?, epsilon: Double, stepSize: Double?, steps: Int?, restarts: Int?,
            isRandom: Bool
        ) {
            self.norm = norm
            self.epsilon = epsilon
            self.stepSize = stepSize
            self.steps = steps
            self.restarts = restarts
            self.isRandom = isRandom
        }
    }

    /// The name in files.
    public var id: String
    /// The search.
    public var search: any Attack
    /// How the distance of its results is measured.
    public var norm: PerturbationBall.Norm
    /// What it makes large.
    public var objective: ObjectiveName
    /// The factor of the routers' part of the objective.
    public var beta: Double
    /// What batch norm normalizes by.
    public var batchNorm: BatchNorm
    /// How images are routed.
    public var routing: Routing
    /// What tables say of it.
    public var description: Description

    /// Makes an attack; see the properties.
    public init(
        id: String, search: any Attack, norm: PerturbationBall.Norm, objective: ObjectiveName = .crossEntropy,
        beta: Double? = nil, batchNorm: BatchNorm = .frozen, routing: Routing = .deterministic,
        description: Description
    ) {
        self.id = id
        self.search = search
        self.norm = norm
        self.objective = objective
        self.beta = beta ?? objective.usualBeta
        self.batchNorm = batchNorm
        self.routing = routing
        self.description = description
    }

    /// Classes that a network must have.
    public var fewestClasses: Int { max(search.fewestClasses, objective.fewestClasses) }

    /// Returns adversarial images for every shard.
    ///
    /// - Parameters:
    ///   - batch: The clean images.
    ///   - passes: Makes the passes of the network.
    ///   - draw: Tells the attacks of one step apart.
    ///   - routerProbabilities: `[shard][images × experts]` that routers are driven away from, where these are not to be
    ///     what the frozen network says of the clean images.
    ///   - watch: Made for the batch; takes note of every call, if given.
    public func perturb(
        _ batch: AttackBatch, _ passes: PassFactory, draw: Int = 0, routerProbabilities: [[Float]]? = nil,
        watch: AttackWatch? = nil
    ) throws -> [Tensor] {
        let network = passes.network
        var pass = passes.attack(self, samples: batch.samples, step: batch.step, draw: draw)
        var clean = CleanOutputs()
        if objective.readsCleanImages || routing == .clean {
            let record = PassRecord()
            var first = pass
            first.record = record
            clean.logits = try network.forward(batch.images, first).logits
            for router in record.routers {
                clean.routers[router.layer] = routerProbabilities ?? router.perShard.map(\.scores)
            }
            if routing == .clean { pass.given.merge(record.givenRoutes) { given, _ in given } }
        }
        var batch = batch
        batch.seed &+= UInt64(draw) << 40
        let target = NetworkTarget(
            network, pass, movesStatistics: batchNorm == .batchUpdating, progress: passes.progress)
        let wanted = objective.objective(labels: batch.labels, network: network, beta: beta, clean: clean)
        guard let watch else { return try search.perturb(batch, wanted, against: target) }
        return try search.perturb(batch, wanted, against: WatchedTarget(target, watch, batch))
    }
}
