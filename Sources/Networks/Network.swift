import Tensors

/// A ResNet (He et al., arXiv:1512.03385; torchvision's names, order and initialisation), with convolutions or blocks
/// replaced by mixtures of experts.
///
/// Images are NHWC in [0, 1]; normalisation is the network's first step, so that attacks work in pixel units.
public struct Network {
    enum Element {
        case block(ResidualBlock)
        case experts(ExpertBlock)

        /// Whether the output is a ReLU's, so that gradients can be gated one layer ahead.
        var isRectified: Bool {
            if case .block = self { true } else { false }
        }
    }

    enum ElementTape {
        case block(ResidualBlock.Tape)
        case experts(ExpertBlock.Tape)
    }

    /// What the network was built from.
    public let settings: NetworkSettings
    /// Its parameters and running statistics.
    public let parameters: Parameters
    /// The router whose one choice holds for all layers, or none.
    let imageRouter: Router?
    private let stem: NormalizedConvolution
    private let elements: [Element]
    /// The arena range of each element's parameters.
    let ranges: [Range<Int>]
    private let classifier: Classifier
    /// The paths of the mixture layers in order.
    public let mixtureLayers: [String]

    /// What ``backward(_:_:_:into:wantsInput:)`` needs from the matching forward pass.
    public struct Tape {
        /// What the image's router did, if there is one, and how the layers saw the images sorted.
        public let imageRouting: ImageRouting?
        let order: SharedOrder?
        let stem: NormalizedConvolution.Tape
        /// The stem's output in front of its pooling; empty without one.
        let unpooled: [Tensor]
        /// The input of the first block.
        let stemOutput: [Tensor]
        let elements: [ElementTape]
        let classifier: Classifier.Tape
    }

    /// Builds the network and draws its weights.
    /// - Throws: ``NetworkError/invalid(_:)`` if the placement matches no layer, or a router does not fit its map.
    public init(_ settings: NetworkSettings, seed: UInt64) throws {
        try self.init(settings, registering: Parameters())
        parameters.initialize(seed: seed)
    }

    /// Builds the network without memory for its parameters: its layout alone.
    init(_ settings: NetworkSettings, registering parameters: Parameters) throws {
        self.settings = settings
        let builder = NetworkBuilder(settings, parameters)
        imageRouter = try builder.imageRouter()
        let isPooled = settings.stem == .imagenet
        // A small stem of channel experts keeps its width in the reference.
        let keepsStem = settings.mixture?.kind == .channel && !isPooled
        let stemWidth = keepsStem ? settings.width : settings.scaled(settings.width)
        let stemShape = NetworkBuilder.Shape(
            inputs: settings.channels, outputs: stemWidth, kernel: isPooled ? 7 : 3, stride: isPooled ? 2 : 1,
            map: settings.imageSize)
        stem = try builder.unit("conv1", norm: "bn1", stemShape, role: .stem)
        var map = stemShape.outputMap
        if isPooled {
            map = map.map {
                MapSize(
                    height: MaxPooling.outputSize($0.height), width: MaxPooling.outputSize($0.width))
            }
        }
        var elements: [Element] = []
        var ranges: [Range<Int>] = []
        var inputs = stemWidth
        for (stage, count) in settings.blocks.enumerated() {
            let channels = settings.scaled(settings.width << stage)
            for index in 0..<count {
                let start = parameters.parameterCount
                let stride = stage > 0 && index == 0 ? 2 : 1
                elements.append(
                    try builder.element(
                        "layer\(stage + 1).\(index)", inputs: inputs, channels: channels, stride: stride, map: map))
                ranges.append(start..<parameters.parameterCount)
                inputs = channels * settings.block.expansion
                map = map?.after(kernel: 3, stride: stride, padding: 1)
            }
        }
        classifier = Classifier(
            inputs: inputs, classes: settings.classes, deviation: settings.mixture?.kind == .channel ? 0.01 : nil,
            parameters)
        self.elements = elements
        self.ranges = ranges
        self.parameters = parameters
        mixtureLayers = builder.mixtureLayers
        if let mixture = settings.mixture {
            for path in mixture.placement.paths
            where !builder.candidates.contains(where: { Placement.covers(path, $0) }) {
                throw NetworkError.invalid(
                    "moe.placement \"\(path)\" matches no \(mixture.kind == .block ? "residual block" : "convolution"); "
                        + "there are: \(builder.candidates.joined(separator: ", "))")
            }
        }
    }

    /// The slots of such a network in their order, without memory for their values.
    /// - Throws: As ``init(_:seed:)``.
    public static func slots(_ settings: NetworkSettings) throws -> [Slot] {
        try Network(settings, registering: Parameters()).parameters.slots
    }

    /// Computes logits, `[images, 1, 1, classes]`, of every shard.
    public func forward(_ images: [Tensor], _ pass: Pass) throws -> (logits: [Tensor], tape: Tape) {
        guard let imageRouter, let routing = try route(images, pass) else {
            return try run(normalized(images), nil, nil, pass)
        }
        let order = SharedOrder(routing.routes, experts: imageRouter.settings.experts)
        var inner = pass
        inner.samples = zip(pass.samples, order.places).map { samples, places in places.map { samples[$0] } }
        inner.shared = SharedRoutes(ranges: order.ranges, scoreGradients: nil)
        let (logits, tape) = try run(order.sort(routing.images), routing, order, inner)
        return (order.restore(logits), tape)
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
        _ normalized: [Tensor], _ routing: ImageRouting?, _ order: SharedOrder?, _ pass: Pass
    ) throws -> (logits: [Tensor], tape: Tape) {
        let (stemOutput, stemTape) = try NormalizedConvolution.forward([stem], [normalized], rectifies: true, pass)
        let isPooled = settings.stem == .imagenet
        let pooled = isPooled ? stemOutput[0].map(MaxPooling.forward) : stemOutput[0]
        var x = pooled
        var tapes: [ElementTape] = []
        for element in elements {
            switch element {
            case .block(let block):
                let (y, tape) = try ResidualBlock.forward([block], [x], pass)
                x = y[0]
                tapes.append(.block(tape[0]))
            case .experts(let experts):
                let (y, tape) = try experts.forward(x, pass)
                x = y
                tapes.append(.experts(tape))
            }
        }
        let (logits, tape) = classifier.forward(x, pass)
        try pass.check(logits, after: "fc")
        return (
            logits,
            Tape(
                imageRouting: routing, order: order, stem: stemTape[0], unpooled: isPooled ? stemOutput[0] : [],
                stemOutput: pooled, elements: tapes,
                classifier: tape)
        )
    }

    /// Carries the gradient of the logits back: adds parameter gradients unless `gradients` is nil, and returns the
    /// gradient of the images in pixel units if wanted, else nothing.
    public func backward(
        _ dLogits: [Tensor], _ tape: Tape, _ pass: Pass, into gradients: Gradients?, wantsInput: Bool
    ) throws -> [Tensor] {
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
        } else {
            dNormalized = try runBack(dLogits, tape, pass, into: gradients, wantsInput: wantsInput)
        }
        gradients?.onReady(0..<(ranges.first?.lowerBound ?? 0))
        let scale = settings.deviation.map { 1 / $0 }
        let none = [Float](repeating: 0, count: scale.count)
        return dNormalized.map { dx in
            ChannelOperations.affine(dx, scale: scale, shift: none, into: dx)
            return dx
        }
    }

    private func runBack(
        _ dLogits: [Tensor], _ tape: Tape, _ pass: Pass, into gradients: Gradients?, wantsInput: Bool
    ) throws -> [Tensor] {
        var g = classifier.backward(
            dLogits, tape.classifier, masksInput: elements.last?.isRectified ?? true, pass, into: gradients)
        let tail = ranges.last?.upperBound ?? 0
        gradients?.onReady(tail..<parameters.parameterCount)
        for index in elements.indices.reversed() {
            let masksInput = index == 0 || elements[index - 1].isRectified
            switch (elements[index], tape.elements[index]) {
            case (.block(let block), .block(let blockTape)):
                g = try ResidualBlock.backward(
                    [block], [g], [blockTape], masksInput: masksInput, pass, into: gradients)[0]
            case (.experts(let experts), .experts(let expertTape)):
                g = try experts.backward(g, expertTape, masksInput: masksInput, pass, into: gradients)
            default: preconditionFailure("the tape is another network's")
            }
            gradients?.onReady(ranges[index])
        }
        if settings.stem == .imagenet {
            // Gated by the pooled output already: what won above 0 is above 0.
            g = g.indices.map { MaxPooling.backward(g[$0], tape.unpooled[$0], tape.stemOutput[$0]) }
        }
        return try NormalizedConvolution.backward(
            [stem], [g], [tape.stem], masksInput: false, wantsInput: wantsInput, pass, into: gradients)[0]
    }
}
