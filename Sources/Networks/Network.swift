import Tensors

/// A convolutional network, with convolutions or blocks replaced by mixtures of experts: a list of elements, and a
/// classifier behind them.
///
/// Images are NHWC in [0, 1]; normalisation is the network's first step, so that attacks work in pixel units.
public struct Network {
    /// What the network was built from.
    public let settings: NetworkSettings
    /// Its parameters and running statistics.
    public let parameters: Parameters
    /// The router whose one choice holds for all layers, or none.
    let imageRouter: Router?
    /// What the routers of all layers read, where they share a network on the image, or none.
    private let sharedTrunk: SharedTrunk?
    private let elements: [any NetworkElement]
    /// The arena range of each element's parameters; the classifier's come last, those of a router or trunk on the
    /// image first.
    private let ranges: [Range<Int>]
    private let classifier: Classifier
    /// The paths of the mixture layers in order.
    public let mixtureLayers: [String]
    /// The convolutions with slabs of channels for experts, in order.
    public let channelExpertLayers: [ChannelExpertLayer]
    /// The convolutions whose filters can be pruned, in order.
    public let prunable: [PrunableConvolution]
    /// What is left of the slots of the network that this one was pruned from, by name; the others are whole.
    public let selections: [String: SlotSelection]
    /// What an image costs; nil where ``NetworkSettings/imageSize`` is.
    public let cost: NetworkCost?

    /// What ``Network/backward(_:dRouters:_:_:into:wantsInput:)`` needs from the matching forward pass.
    public struct Tape {
        /// What the image's router did, if there is one, and how the layers saw the images sorted.
        public let imageRouting: ImageRouting?
        let order: SharedOrder?
        let trunk: SharedTrunk.Tape?
        let elements: [any RecordedElement]
        let classifier: Classifier.Tape
    }

    /// Builds the network and draws its weights.
    /// - Throws: ``NetworkError/invalid(_:)`` if the placement matches no layer, if images are too small, if a layer is
    ///   left without channels, if a router does not fit its map, or if a size is beyond ``NetworkLimits``.
    public init(_ settings: NetworkSettings, seed: UInt64) throws {
        try self.init(settings, registering: Parameters())
        parameters.initialize(seed: seed)
    }

    /// Builds the network without memory for its parameters: its layout alone.
    init(_ settings: NetworkSettings, registering parameters: Parameters) throws {
        self.settings = settings
        self.parameters = parameters
        try NetworkLimits.check(settings)
        let builder = try NetworkBuilder(settings, parameters)
        imageRouter = try builder.imageRouter()
        sharedTrunk = builder.sharedTrunk()
        classifier = try builder.build()
        try NetworkLimits.check(parameters)
        elements = builder.elements
        ranges = builder.ranges
        mixtureLayers = builder.mixtureLayers
        channelExpertLayers = builder.channelExpertLayers
        prunable = builder.prunable
        selections = builder.selections
        try Network.check(settings.mixture, builder.candidates)
        for path in settings.keptFilters.keys.sorted() where !prunable.contains(where: { $0.path == path }) {
            throw NetworkError.invalid(
                "a mask prunes \(path), which this network has not; expected one of: "
                    + prunable.map(\.path).joined(separator: ", "))
        }
        cost = settings.imageSize.map { _ in builder.cost }
    }

    private static func check(_ mixture: MixtureSettings?, _ candidates: [String]) throws {
        guard let mixture else { return }
        let noun = mixture.kind == .block ? "residual block" : "convolution"
        for path in mixture.placement.paths where !candidates.contains(where: { Placement.covers(path, $0) }) {
            let known = candidates.isEmpty ? "none" : candidates.joined(separator: ", ")
            throw NetworkError.invalid("moe.placement \"\(path)\" matches no \(noun); there are: \(known)")
        }
    }

    /// The slots of such a network in their order, without memory for their values.
    /// - Throws: As ``init(_:seed:)``.
    public static func slots(_ settings: NetworkSettings) throws -> [Slot] {
        try Network(settings, registering: Parameters()).parameters.slots
    }

    /// What would be left of this network's slots, by name, if its ``prunable`` convolutions kept these filters alone.
    /// - Parameter kept: At least one filter of each, rising.
    package func selections(keeping kept: [String: [Int]]) -> [String: SlotSelection] {
        var settings = settings
        settings.keptFilters = kept
        do { return try Network(settings, registering: Parameters()).selections } catch {
            preconditionFailure("a network that was built cannot be pruned: \(error)")
        }
    }

    /// What an image of this size costs such a network, without memory for its values.
    /// - Throws: As ``init(_:seed:)``.
    public static func cost(_ settings: NetworkSettings, imageSize: MapSize) throws -> NetworkCost {
        var settings = settings
        settings.imageSize = imageSize
        try NetworkLimits.check(settings)
        let builder = try NetworkBuilder(settings, Parameters())
        _ = try builder.imageRouter()
        _ = builder.sharedTrunk()
        _ = try builder.build()
        try NetworkLimits.check(builder.parameters)
        return builder.cost
    }

    /// Computes logits, `[images, 1, 1, classes]`, of every shard.
    public func forward(_ images: [Tensor], _ pass: Pass) throws -> (logits: [Tensor], tape: Tape) {
        guard let imageRouter, let routing = try route(images, pass) else {
            return try runLayers(normalized(images), pass)
        }
        let order = SharedOrder(routing.routes, experts: imageRouter.settings.experts)
        var inner = pass
        inner.samples = zip(pass.samples, order.places).map { samples, places in places.map { samples[$0] } }
        inner.shared = SharedRoutes(ranges: order.ranges, scoreGradients: nil)
        let (logits, tape) = try run(order.sort(routing.images), routing, order, nil, inner)
        return (order.restore(logits), tape)
    }

    /// Runs layers that have routers of their own, or none.
    private func runLayers(_ images: [Tensor], _ pass: Pass) throws -> (logits: [Tensor], tape: Tape) {
        guard let sharedTrunk, asksRouters(pass) else { return try run(images, nil, nil, nil, pass) }
        let trunk = try sharedTrunk.forward(images, pass)
        var inner = pass
        inner.trunk = TrunkFeatures(pooled: trunk.pooled, gradients: nil)
        return try run(images, nil, nil, trunk, inner)
    }

    /// Whether any layer's router runs.
    private func asksRouters(_ pass: Pass) -> Bool {
        guard case .learned = pass.routing else { return false }
        return pass.observesRouters || mixtureLayers.contains { pass.given[$0] == nil }
    }

    /// Images as the layers see them, less the mean and over the deviation.
    func normalized(_ images: [Tensor]) -> [Tensor] {
        let scale = settings.deviation.map { 1 / $0 }
        let shift = zip(settings.mean, settings.deviation).map { -$0 / $1 }
        return images.map { image in
            let result = Tensor(like: image)
            ChannelOperations.affine(image, scale: scale, shift: shift, into: result)
            return result
        }
    }

    private func run(
        _ normalized: [Tensor], _ routing: ImageRouting?, _ order: SharedOrder?, _ trunk: SharedTrunk.Tape?,
        _ pass: Pass
    ) throws -> (logits: [Tensor], tape: Tape) {
        var x = normalized
        var recorded: [any RecordedElement] = []
        for element in elements {
            let (y, record) = try element.record(x, pass)
            x = y
            recorded.append(record)
        }
        let (logits, tape) = classifier.forward(x, pass)
        try pass.check(logits, after: "the classifier")
        return (
            logits,
            Tape(imageRouting: routing, order: order, trunk: trunk, elements: recorded, classifier: tape)
        )
    }

    /// Carries the gradient of the logits back: adds parameter gradients unless `gradients` is nil, and returns the
    /// gradient of the images in pixel units if wanted, else nothing.
    ///
    /// - Parameter dRouters: The gradient of routers' logits, by layer, `[shard][images × experts]`, where the loss looks at
    ///   these themselves.
    public func backward(
        _ dLogits: [Tensor], dRouters: [String: [[Double]]] = [:], _ tape: Tape, _ pass: Pass,
        into gradients: GradientAccumulator?, wantsInput: Bool
    ) throws -> [Tensor] {
        var pass = pass
        pass.routerGradients = dRouters
        let dNormalized: [Tensor]
        if let imageRouter, let routing = tape.imageRouting, let order = tape.order {
            // Nobody asks the router for an update of the backbone alone.
            let asks = routing.isLearned && (wantsInput || gradients?.groups.contains(.router) == true)
            let scores = asks ? ScoreGradients(images: routing.images.map(\.images)) : nil
            var inner = pass
            inner.shared = SharedRoutes(ranges: order.ranges, scoreGradients: scores)
            let sorted = try runBack(order.sort(dLogits), tape, inner, into: gradients, wantsInput: wantsInput)
            let dImages = wantsInput ? order.restore(sorted) : nil
            if let scores {
                let dWeights = zip(scores.perShard, order.inverse).map { sums, places in places.map { sums[$0] } }
                dNormalized = try imageRouter.backward(
                    dWeights, routing.tape, routing.images, adding: dImages, masksInput: false, pass, into: gradients)
            } else {
                dNormalized = dImages ?? []
            }
        } else if let sharedTrunk, let trunk = tape.trunk {
            let asks = wantsInput || gradients?.groups.contains(.router) == true
            let features = asks ? FeatureGradients(like: trunk.pooled) : nil
            var inner = pass
            inner.trunk = TrunkFeatures(pooled: trunk.pooled, gradients: features)
            let dImages = try runBack(dLogits, tape, inner, into: gradients, wantsInput: wantsInput)
            dNormalized =
                try features.map {
                    try sharedTrunk.backward(
                        $0, trunk, adding: wantsInput ? dImages : nil, pass, into: gradients)
                } ?? dImages
        } else {
            dNormalized = try runBack(dLogits, tape, pass, into: gradients, wantsInput: wantsInput)
        }
        if let first = ranges.first?.lowerBound, first > 0 { gradients?.finish(0..<first) }
        let scale = settings.deviation.map { 1 / $0 }
        let none = [Float](repeating: 0, count: scale.count)
        return dNormalized.map { dx in
            ChannelOperations.affine(dx, scale: scale, shift: none, into: dx)
            return dx
        }
    }

    private func runBack(
        _ dLogits: [Tensor], _ tape: Tape, _ pass: Pass, into gradients: GradientAccumulator?, wantsInput: Bool
    ) throws -> [Tensor] {
        var g = classifier.backward(
            dLogits, tape.classifier, masksInput: elements.last?.isRectified ?? false, pass, into: gradients)
        var end = parameters.parameterCount
        func finish(from start: Int) {
            if start < end { gradients?.finish(start..<end) }
            end = start
        }
        finish(from: ranges.last?.upperBound ?? 0)
        for index in elements.indices.reversed() {
            g = try tape.elements[index].backward(
                g, masksInput: index > 0 && elements[index - 1].isRectified, wantsInput: wantsInput || index > 0, pass,
                into: gradients)
            finish(from: ranges[index].lowerBound)
        }
        return wantsInput ? g : []
    }
}
