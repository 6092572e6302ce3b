/// How images find their experts.
public enum Routing: Hashable, Sendable {
    /// By the layers' routers; with noise and capacity only in training passes that ask for it.
    case learned(TrainingRouting?)
    /// Image index modulo the experts (benchmarks, tests).
    case uniform
    /// All images to one expert of every layer.
    case fixed(Int)
}

/// What routers do in training passes only.
public struct TrainingRouting: Hashable, Sendable {
    /// The deviation of the noise on the scores before selection, in units of the scores' standard deviation.
    public var noise: Float
    /// The most images that an expert takes, as a multiple of an even share of the batch; nil for no limit.
    public var capacity: Double?
    /// The run's seed.
    public var seed: UInt64
    /// The step that the draws belong to.
    public var step: Int

    /// Makes the routing of one step.
    public init(noise: Float = 0, capacity: Double? = nil, seed: UInt64, step: Int) {
        self.noise = noise
        self.capacity = capacity
        self.seed = seed
        self.step = step
    }

    /// The routing of another pass of the same step; draw 0 is the step's own.
    public func redrawn(_ draw: Int) -> TrainingRouting {
        var other = self
        other.seed &+= UInt64(draw) << 40
        return other
    }
}

/// How gradients pass a gate: from the weights of the chosen experts to the router's scores.
public enum GateGradient: String, CaseIterable, Sendable {
    /// As the gate's settings say.
    case own
    /// As if the weights were straight-through: those of the weights are those of the scores.
    case straightThrough = "straight-through"
    /// Not at all: the weights are constants.
    case none
}

/// What decides one layer's routes in place of its router.
public enum GivenRoutes: Sendable {
    /// All images go to this expert, with weight 1.
    case expert(Int)
    /// These, one value a shard: such as those that a router chose for other images.
    case routes([Routes])

    /// The routes of images `images[shard]` of every shard alone.
    func selecting(_ images: [[Int]]) -> GivenRoutes {
        switch self {
        case .expert: self
        case .routes(let routes): .routes(zip(routes, images).map { $0.selecting($1) })
        }
    }
}
