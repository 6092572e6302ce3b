import Tensors

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
    /// Groups that are not trained: their batch norms normalise by running statistics whatever ``normalization`` says, and
    /// leave those as they are.
    public var frozenGroups: Set<ParameterGroup> = []
    /// Folds batch norm into the convolutions; only with ``Normalization/running`` and without parameter gradients.
    public var folds: Bool
    /// How images find their experts.
    public var routing: Routing
    /// Layers, by path, whose routes are given; ``routing`` is for the others.
    public var given: [String: GivenRoutes] = [:]
    /// Runs and records the routers of layers whose routes are given too: they decide nothing, and losses may look at them.
    public var observesRouters = false
    /// How the loss reaches routers through the weights of the experts that they choose.
    public var gateGradient = GateGradient.own
    /// One choice for all layers that have no router of their own; the network sets it for its layers.
    public internal(set) var shared: SharedRoutes?
    /// What layers' routers read of the images where they share a trunk; the network sets it for its layers.
    var trunk: TrunkFeatures?
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

    /// The same pass of images `images[shard]` of every shard alone, in that order.
    ///
    /// What else images of a batch share, such as batch moments or a capacity, is that of these images.
    public func selecting(_ images: [[Int]]) -> Pass {
        var some = self
        some.samples = zip(samples, images).map { samples, images in images.map { samples[$0] } }
        some.given = given.mapValues { $0.selecting(images) }
        return some
    }

    /// What a batch norm normalises by.
    func normalization(of norm: BatchNorm) -> Normalization {
        frozenGroups.contains(norm.weight.group) ? .running : normalization
    }

    func check(_ values: [Tensor], after path: String) throws {
        for tensor in values { try check(tensor.elements, of: "layer \(path)") }
    }

    /// Looks at what a part of the network gave, if values are looked at.
    func check(_ values: some Sequence<Float>, of part: String) throws {
        guard checksValues, let bad = values.first(where: { !$0.isFinite }) else { return }
        throw NetworkError.notFinite(part: part, value: bad)
    }
}
