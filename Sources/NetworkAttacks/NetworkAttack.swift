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
        /// As the clean images are, in the verdict too: what the experts alone withstand (RA-E of JTDMoE, arXiv:2502.06832),
        /// which is not the network as it is used.
        case held

        /// Whether images are routed as the clean ones while the attack runs.
        public var isOfCleanImages: Bool { self == .clean || self == .held }
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
    /// What the attack is made on, where that is not the network as it is used.
    public var surrogate: Surrogate
    /// Passes with noise of their own of which every gradient is the mean, at least 1; means something where routing is noisy.
    public var expectation: Int
    /// Where the network is stored that the attack is made on in place of the one that is judged; nil where it is that one.
    public var source: String?
    /// Whether it sees the anti-adversary layer that the network stands behind, if any; else its images are those of the network
    /// alone.
    public var seesAntiAdversary = true
    /// What tables say of it.
    public var description: Description

    /// Makes an attack; see the properties.
    public init(
        id: String, search: any Attack, norm: PerturbationBall.Norm, objective: ObjectiveName = .crossEntropy,
        beta: Double? = nil, batchNorm: BatchNorm = .frozen, routing: Routing = .deterministic,
        surrogate: Surrogate = .none, expectation: Int = 1, source: String? = nil,
        description: Description
    ) {
        self.id = id
        self.search = search
        self.norm = norm
        self.objective = objective
        self.beta = beta ?? objective.usualBeta
        self.batchNorm = batchNorm
        self.routing = routing
        self.surrogate = surrogate
        self.expectation = expectation
        self.source = source
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
        try meet(
            batch, passes, draw: draw, routerProbabilities: routerProbabilities, watch: watch
        ) { batch, wanted, target in
            try search.perturb(batch, wanted, against: target)
        }
    }

    /// The sum over the images of a batch of the gradient of what the attack makes large with respect to a universal
    /// perturbation; see ``Attacks/UniversalPerturbation/gradientSum(_:_:against:)``.
    /// - Parameter draw: Tells the noise of several passes apart.
    public func gradientSum(
        of perturbation: UniversalPerturbation, _ batch: AttackBatch, _ passes: PassFactory, draw: Int
    ) throws -> [Double] {
        try meet(batch, passes, draw: draw) { batch, wanted, target in
            try perturbation.gradientSum(batch, wanted, against: target)
        }
    }

    /// Asks the network as the attack meets it; parameters as those of ``perturb(_:_:draw:routerProbabilities:watch:)``.
    /// - Parameter ask: Gets the batch with the draws of its own, what is made large, and the network.
    private func meet<Result>(
        _ batch: AttackBatch, _ passes: PassFactory, draw: Int, routerProbabilities: [[Float]]? = nil,
        watch: AttackWatch? = nil, _ ask: (AttackBatch, any Objective, any AttackTarget) throws -> Result
    ) throws -> Result {
        let network = passes.network
        var pass = passes.attack(self, samples: batch.samples, step: batch.step, draw: draw)
        var clean = CleanOutputs()
        if objective.readsCleanImages || routing.isOfCleanImages {
            let record = PassRecord()
            var first = pass
            first.record = record
            clean.logits = try network.forward(batch.images, first).logits
            for router in record.routers {
                clean.routers[router.layer] = routerProbabilities ?? router.perShard.map(\.scores)
                clean.choices[router.layer] = router.perShard.map { $0.routes.distribution(over: router.experts) }
            }
            if routing.isOfCleanImages { pass.given.merge(record.givenRoutes) { given, _ in given } }
        }
        var batch = batch
        batch.seed &+= UInt64(draw) << 40
        let wanted = try surrogate.prepare(
            &pass, of: network, batch,
            objective.objective(labels: batch.labels, network: network, beta: beta, clean: clean), beta: beta,
            progress: passes.progress)
        let target = NetworkTarget(
            network, pass, movesStatistics: batchNorm == .batchUpdating, progress: passes.progress)
        let shown: any AttackTarget =
            if seesAntiAdversary, let layer = passes.antiAdversary {
                AntiAdversaryTarget(target, layer: layer)
            } else { target }
        let seen: any AttackTarget = if let watch { watched(shown, watch, batch) } else { shown }
        return try ask(batch, wanted, averaged(seen))
    }

    private func watched(
        _ target: some AttackTarget, _ watch: AttackWatch, _ batch: AttackBatch
    ) -> any AttackTarget {
        WatchedTarget(target, watch, batch)
    }

    private func averaged(_ target: some AttackTarget) -> any AttackTarget {
        expectation > 1 ? AveragedTarget(target, draws: expectation) : target
    }
}
