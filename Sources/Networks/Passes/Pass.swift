import Tensors

/// What batch norm normalises by.
public enum Normalization: String, CaseIterable, Sendable {
    /// Running statistics: evaluation, and attacks on a frozen model.
    case running
    /// Moments of each shard alone.
    case local
    /// Moments of the global batch.
    case synchronized
}

/// Sums over the whole global batch, for layers that need its statistics in mid-pass.
///
/// Every rank asks the same number of times in the same order, with no image too.
public protocol BatchStatistics {
    /// Returns the sum over all shards of all ranks; `perShard` holds one equally long list a shard of this rank.
    func sum(_ perShard: [[Double]]) throws -> [Double]

    /// Returns the lists of all shards of all ranks one after the other, in the order of the global batch, and where
    /// each of this rank's own begins; lists may have different lengths, and none.
    func gather(_ perShard: [[Float]]) throws -> (values: [Float], starts: [Int])
}

extension BatchStatistics {
    /// Where lists of these lengths begin, one after the other.
    public static func starts(_ counts: [Int], from first: Int = 0) -> [Int] {
        var next = first
        return counts.map { count in
            defer { next += count }
            return next
        }
    }
}

/// The statistics of a batch that lives in one process.
public struct SoloStatistics: BatchStatistics {
    /// Makes the statistics.
    public init() {}

    /// Adds up this process's shards in order.
    public func sum(_ perShard: [[Double]]) -> [Double] {
        guard var result = perShard.first else { return [] }
        for values in perShard.dropFirst() {
            for index in result.indices { result[index] += values[index] }
        }
        return result
    }

    /// Returns this process's lists one after the other.
    public func gather(_ perShard: [[Float]]) -> (values: [Float], starts: [Int]) {
        (perShard.flatMap { $0 }, Self.starts(perShard.map(\.count)))
    }
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

/// How images find their experts.
public enum Routing: Hashable, Sendable {
    /// By the layers' routers; with noise and capacity only in training passes that ask for it.
    case learned(TrainingRouting?)
    /// Image index modulo the experts (benchmarks, tests).
    case uniform
    /// All images to one expert of every layer.
    case fixed(Int)
}

/// What decides one layer's routes in place of its router.
public enum GivenRoutes: Sendable {
    /// All images go to this expert, with weight 1.
    case expert(Int)
    /// These, one value a shard: such as those that a router chose for other images.
    case routes([Routes])
}

/// Everything that one pass through a network depends on beside its input: a value, so that no mode is stored anywhere.
public struct Pass {
    /// The weights and running statistics.
    public var parameters: Parameters
    /// Memory and threads.
    public var workspace: Workspace
    /// Prepared filters, kept while weights stand still.
    public var filters: FilterCache
    /// Which kernels may be used.
    public var arithmetic: Arithmetic
    /// What batch norm normalises by.
    public var normalization: Normalization
    /// Folds batch norm into the convolutions; only with ``Normalization/running`` and without parameter gradients.
    public var folds: Bool
    /// How images find their experts.
    public var routing: Routing
    /// Layers, by path, whose routes are given; ``routing`` is for the others.
    public var given: [String: GivenRoutes] = [:]
    /// One choice for all layers that have no router of their own; the network sets it for its layers.
    public internal(set) var shared: SharedRoutes?
    /// Gradients of routers' logits, by layer, `[shard][images × experts]`, of a loss that looks at these themselves; the
    /// network sets it for its layers.
    var routerGradients: [String: [[Double]]] = [:]
    /// Sums over the global batch.
    public var statistics: any BatchStatistics
    /// The index in the data set of every image, a list for each shard: what noise and uniform routes depend on.
    public var samples: [[Int]]
    /// Receives what the pass learns about moments and routes, or nil.
    public var record: PassRecord?
    /// Looks for values that are not finite after every layer, and throws when it finds one.
    public var checksValues = false

    /// Makes a pass; see the properties.
    public init(
        parameters: Parameters, workspace: Workspace, filters: FilterCache, arithmetic: Arithmetic = .fast,
        normalization: Normalization, folds: Bool = false, routing: Routing = .learned(nil),
        statistics: any BatchStatistics = SoloStatistics(), samples: [[Int]] = [], record: PassRecord? = nil
    ) {
        precondition(!folds || normalization == .running, "only running statistics can be folded")
        self.parameters = parameters
        self.workspace = workspace
        self.filters = filters
        self.arithmetic = arithmetic
        self.normalization = normalization
        self.folds = folds
        self.routing = routing
        self.statistics = statistics
        self.samples = samples
        self.record = record
    }

    func check(_ values: [Tensor], after path: String) throws {
        guard checksValues else { return }
        for tensor in values {
            if let bad = tensor.elements.first(where: { !$0.isFinite }) {
                throw NetworkError.notFinite(layer: path, value: bad)
            }
        }
    }
}

/// What goes wrong inside a network.
public enum NetworkError: Error, CustomStringConvertible {
    /// A layer's output holds a NaN or an infinity.
    case notFinite(layer: String, value: Float)
    /// A description cannot be built.
    case invalid(String)

    /// The sentence for a person.
    public var description: String {
        switch self {
        case .notFinite(let layer, let value): "layer \(layer) gave \(value), expected finite values"
        case .invalid(let message): message
        }
    }
}
