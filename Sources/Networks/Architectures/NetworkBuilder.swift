import Tensors

/// Puts a network's elements behind each other: registers their slots in the order of the published code, decides which
/// layers become mixtures, and counts what they cost.
///
/// What is particular to an architecture stands in extensions.
final class NetworkBuilder {
    let settings: NetworkSettings
    let parameters: Parameters
    /// The elements so far, and the arena range of each one's parameters.
    private(set) var elements: [any NetworkElement] = []
    private(set) var ranges: [Range<Int>] = []
    /// The channels of what the last element puts out in a network that is not pruned, those of them that are left (nil
    /// means all), and its map if known.
    private(set) var channels: Int
    private(set) var keptChannels: [Int]?
    private(set) var map: MapSize?
    /// Paths that a placement may name.
    var candidates: [String] = []
    var mixtureLayers: [String] = []
    var channelExpertLayers: [ChannelExpertLayer] = []
    /// Output channels of the same network of ratio 1, by the name of the filter, where experts are windows of them.
    let denseChannels: [String: Int]
    /// Convolutions whose filters can be pruned.
    var prunable: [PrunableConvolution] = []
    /// What is left of slots, by name, where channels are gone.
    private(set) var selections: [String: SlotSelection] = [:]
    private var costs: [LayerCost] = []

    /// What an image costs, as far as maps are known.
    var cost: NetworkCost {
        NetworkCost(layers: costs, chosen: settings.mixture?.router.gate.topK ?? 1)
    }

    init(_ settings: NetworkSettings, _ parameters: Parameters) throws {
        self.settings = settings
        self.parameters = parameters
        denseChannels = settings.mixture?.slabs == .overlapping ? try Self.denseChannels(settings) : [:]
        channels = settings.channels
        map = settings.imageSize
    }

    private static func denseChannels(_ settings: NetworkSettings) throws -> [String: Int] {
        var dense = settings
        dense.ratio = 1
        dense.mixture = nil
        let builder = try NetworkBuilder(dense, Parameters())
        _ = try builder.build()
        return Dictionary(
            uniqueKeysWithValues: builder.parameters.slots.compactMap { slot in
                slot.layout.shape.first.map { (slot.name, $0) }
            })
    }

    /// Adds all elements of the network, and returns what follows them.
    func build() throws -> Classifier {
        switch settings.architecture {
        case .resNet(let block): try resNet(block)
        case .preactivationResNet: try preactivationResNet()
        case .wideResNet(let widening): try wideResNet(widening)
        case .vgg: try vgg()
        case .denseNet: try denseNet()
        }
    }

    /// Adds an element behind those that there are.
    /// - Parameters:
    ///   - channels: The channels that it puts out; nil leaves them as they are.
    ///   - kept: Those of them that are left; nil means all.
    ///   - map: The map that it puts out, if known.
    func append(
        channels: Int? = nil, kept: [Int]? = nil, map: MapSize?, _ make: () throws -> any NetworkElement
    ) rethrows {
        let start = parameters.parameterCount
        elements.append(try make())
        ranges.append(start..<parameters.parameterCount)
        if let channels { (self.channels, keptChannels) = (channels, kept) }
        self.map = map
    }

    /// Adds pooling over windows behind the last element.
    /// - Throws: ``NetworkError/invalid(_:)`` if no window fits the map.
    func appendPooling(_ operation: PoolingElement.Operation, _ path: String) throws {
        let element = PoolingElement(operation: operation, isRectified: elements.last?.isRectified ?? false)
        let next = map.map(element.outputMap)
        if let map, let next, min(next.height, next.width) < 1 {
            let size = settings.imageSize.map { "\($0.height)x\($0.width)" } ?? "these"
            throw NetworkError.invalid(
                "images of \(size) pixels are too small for this model.architecture: \(path) pools a map of "
                    + "\(map.height)x\(map.width)")
        }
        append(map: next) { element }
    }

    /// Adds a batch norm with its ReLU behind the last element.
    func appendActivation(_ path: String) {
        append(map: map) { activation(path, channels: channels, kept: keptChannels) }
    }

    /// Adds the first convolution, with a batch norm and ReLU if `norm` names one, and pooling in the ImageNet stem.
    func appendStem(_ path: String, norm: String?, outputs: Int) throws {
        let isLarge = settings.stem == .imagenet
        let shape = Shape(
            inputs: channels, outputs: outputs, kernel: isLarge ? 7 : 3, stride: isLarge ? 2 : 1, map: map)
        try append(channels: outputs, map: shape.outputMap) {
            ConvolutionElement(unit: try unit(path, norm: norm, shape, .stem), isRectified: norm != nil)
        }
        if isLarge { try appendPooling(.largest(.stem), path) }
    }

    /// A batch norm with its ReLU.
    /// - Parameter kept: The channels that are left of those given; nil means all.
    func activation(
        _ path: String, channels: Int, kept: [Int]? = nil, owner: ExpertOwner? = nil, isTrained: Bool = true
    ) -> RectifiedNorm {
        let norm = batchNorm(path, channels: channels, kept: kept, owner: owner, isTrained: isTrained)
        return RectifiedNorm(path: path, norm: norm)
    }

    func batchNorm(
        _ path: String, channels: Int, kept: [Int]?, owner: ExpertOwner?, isTrained: Bool = true
    ) -> BatchNorm {
        let norm = BatchNorm(
            path, channels: kept?.count ?? channels, parameters, owner: owner, isTrained: isTrained)
        for slot in [norm.weight, norm.bias, norm.mean, norm.variance] {
            select(slot, wholeShape: [channels], outputs: kept, inputs: nil)
        }
        return norm
    }

    /// Notes what is left of a slot.
    func select(_ slot: Slot, wholeShape: [Int], outputs: [Int]?, inputs: [Int]?, wholeInputs: Int = 1) {
        if outputs == nil, inputs == nil { return }
        selections[slot.name] = SlotSelection(
            wholeShape: wholeShape, wholeInputs: wholeInputs, outputs: outputs, inputs: inputs)
    }

    /// A linear layer on top of global average pooling, by itself as PyTorch draws it, with another bias if given.
    func linearClassifier(_ path: String, bias: Initializer? = nil) -> Classifier {
        let uniform = Initializer.pyTorchDefault(fanIn: keptChannels?.count ?? channels)
        return classifier(side: 1, [(path, settings.classes)], weight: uniform, bias: bias ?? uniform)
    }

    /// Linear layers on top of average pooling to a map of `side` rows and columns, drawn as the architecture does unless
    /// the settings draw all of them alike.
    func classifier(
        side: Int, _ layers: [(path: String, outputs: Int)], weight: Initializer, bias: Initializer
    ) -> Classifier {
        var input = (side: side, channels: channels, kept: keptChannels)
        let (weight, bias) = settings.initialization.linear(weight: weight, bias: bias, settings.mixture?.kind)
        let linear = layers.map { path, outputs in
            let layer = Linear(
                path, side: input.side, channels: input.kept?.count ?? input.channels, outputs: outputs, parameters,
                weight: weight, bias: bias)
            count(path, layer.inputs * layer.outputs)
            let pixels = input.side * input.side
            select(
                layer.weight, wholeShape: [outputs, input.channels * pixels], outputs: nil, inputs: input.kept,
                wholeInputs: input.channels)
            input = (1, outputs, nil)
            return layer
        }
        return Classifier(side: side, layers: linear)
    }

    /// A block or, where the placement says so, a mixture of blocks, behind the last element.
    /// - Parameter make: Makes the block at a path, for an expert if it has an owner.
    func appendBlock<Block: ParallelBlock>(
        _ path: String, channels: Int, map: MapSize?, _ make: (String, ExpertOwner?) throws -> Block
    ) throws {
        let inputs = self.channels
        let inputMap = self.map
        try append(channels: channels, map: map) {
            guard let mixture = settings.mixture, mixture.kind == .block else { return try make(path, nil) }
            candidates.append(path)
            guard mixture.placement.covers(path) else { return try make(path, nil) }
            mixtureLayers.append(path)
            return try expertBlock(path, inputs: inputs, map: inputMap, mixture.router, make)
        }
    }

    /// A mixture of blocks whose input has so many channels.
    func expertBlock<Block: ParallelBlock>(
        _ path: String, inputs: Int, map: MapSize?, _ settings: RouterSettings,
        _ make: (String, ExpertOwner?) throws -> Block
    ) throws -> ExpertBlock<Block> {
        let router = try router(path, inputs: inputs, map: map, settings)
        let experts = try (0..<settings.experts).map { expert in
            try make("\(path).experts.\(expert)", ExpertOwner(layer: path, expert: expert))
        }
        return ExpertBlock(router: router, experts: experts)
    }

    func count(_ path: String, _ multiplyAdds: Int, owner: ExpertOwner? = nil, isRouter: Bool = false) {
        costs.append(LayerCost(path: path, multiplyAdds: multiplyAdds, owner: owner, isRouter: isRouter))
    }

    static let imageRouterPath = "router"

    /// The router of the whole network, on the image, if its layers have none.
    func imageRouter() throws -> Router? {
        guard let mixture = settings.mixture, mixture.kind == .channel, mixture.scope == .image else { return nil }
        mixtureLayers.append(Self.imageRouterPath)
        return try router(Self.imageRouterPath, inputs: settings.channels, map: settings.imageSize, mixture.router)
    }

    /// The network on the image that the routers of all layers share, if they do.
    func sharedTrunk() -> SharedTrunk? {
        guard settings.mixture?.sharesTrunk == true else { return nil }
        if let map = settings.imageSize {
            count(SharedTrunk.path, ResidualTrunk.multiplyAdds(inputs: settings.channels, map), isRouter: true)
        }
        return SharedTrunk(inputs: settings.channels, parameters)
    }

    func router(
        _ path: String, inputs: Int, map: MapSize?, _ settings: RouterSettings
    ) throws -> Router {
        if settings.kind == .firstChannels, inputs < settings.experts {
            throw NetworkError.invalid(
                "moe.router first-channels of \(path) needs a channel for each of \(settings.experts) experts, its map "
                    + "has \(inputs); expected at most \(inputs) for moe.experts")
        }
        let router = Router(
            path, inputs: inputs, settings, readsTrunk: self.settings.mixture?.sharesTrunk == true, parameters)
        guard let map else { return router }
        let smallest = router.network.smallestMap
        if min(map.height, map.width) < smallest {
            throw NetworkError.invalid(
                "moe.router of \(path) needs maps of \(smallest)x\(smallest) pixels at least, those there have "
                    + "\(map.height)x\(map.width); expected a smaller moe.router_kernel, another moe.router or "
                    + "another moe.placement")
        }
        count("\(path).router", router.network.multiplyAdds(map), isRouter: true)
        return router
    }
}
