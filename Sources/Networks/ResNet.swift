import Tensors

/// A residual network's shape.
public struct ResNetSettings: Hashable, Sendable {
    /// Residual blocks of the four stages.
    public var blocks: [Int]
    /// Channels of the first stage; later stages double it.
    public var width: Int
    /// Channels of the images.
    public var channels: Int
    /// Classes.
    public var classes: Int
    /// What is subtracted from each image channel, and what it is then divided by.
    public var mean: [Float]
    /// See ``mean``.
    public var deviation: [Float]
    /// The mixture layers, if any.
    public var mixture: MixtureSettings?

    /// Makes settings; `blocks` is [2, 2, 2, 2] for ResNet-18 and [3, 4, 6, 3] for ResNet-34.
    public init(
        blocks: [Int], width: Int = 64, channels: Int, classes: Int, mean: [Float], deviation: [Float],
        mixture: MixtureSettings? = nil
    ) {
        self.blocks = blocks
        self.width = width
        self.channels = channels
        self.classes = classes
        self.mean = mean
        self.deviation = deviation
        self.mixture = mixture
    }
}

/// A CIFAR-stem ResNet of basic blocks (He et al., arXiv:1512.03385; torchvision's names, order and initialisation),
/// with convolutions or blocks replaced by mixtures of experts.
///
/// Images are NHWC in [0, 1]; normalisation is the network's first step, so that attacks work in pixel units.
public struct ResNet {
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
    public let settings: ResNetSettings
    /// Its parameters and running statistics.
    public let parameters: Parameters
    private let stem: NormalizedConvolution
    private let elements: [Element]
    /// The arena range of each element's parameters.
    private let ranges: [Range<Int>]
    private let classifier: Classifier
    /// The paths of the mixture layers in order.
    public let mixtureLayers: [String]

    /// What ``backward(_:_:_:into:wantsInput:)`` needs from the matching forward pass.
    public struct Tape {
        let stem: NormalizedConvolution.Tape
        let stemOutput: [Tensor]
        let elements: [ElementTape]
        let classifier: Classifier.Tape
    }

    /// Builds the network and draws its weights.
    /// - Throws: ``NetworkError/invalid(_:)`` if the placement matches no layer.
    public init(_ settings: ResNetSettings, seed: UInt64) throws {
        self.settings = settings
        let parameters = Parameters()
        let builder = ResNetBuilder(settings, parameters)
        stem = builder.unit(
            "conv1", norm: "bn1", inputs: settings.channels, outputs: settings.width, kernel: 3, stride: 1)
        var elements: [Element] = []
        var ranges: [Range<Int>] = []
        var inputs = settings.width
        for (stage, count) in settings.blocks.enumerated() {
            let outputs = settings.width << stage
            for index in 0..<count {
                let start = parameters.parameterCount
                elements.append(
                    builder.element(
                        "layer\(stage + 1).\(index)", inputs: inputs, outputs: outputs,
                        stride: stage > 0 && index == 0 ? 2 : 1))
                ranges.append(start..<parameters.parameterCount)
                inputs = outputs
            }
        }
        classifier = Classifier(inputs: inputs, classes: settings.classes, parameters)
        self.elements = elements
        self.ranges = ranges
        self.parameters = parameters
        mixtureLayers = builder.mixtureLayers
        if let mixture = settings.mixture {
            for path in mixture.placement.paths
            where !builder.candidates.contains(where: { Placement.covers(path, $0) }) {
                throw NetworkError.invalid(
                    "moe.placement \"\(path)\" matches no \(mixture.kind.rawValue == "conv" ? "convolution" : "residual block"); "
                        + "there are: \(builder.candidates.joined(separator: ", "))")
            }
        }
        parameters.initialize(seed: seed)
    }

    /// Computes logits, `[images, 1, 1, classes]`, of every shard.
    public func forward(_ images: [Tensor], _ pass: Pass) throws -> (logits: [Tensor], tape: Tape) {
        let scale = settings.deviation.map { 1 / $0 }
        let shift = zip(settings.mean, settings.deviation).map { -$0 / $1 }
        let normalized = images.map { image in
            let result = Tensor(like: image)
            ChannelOperations.affine(image, scale: scale, shift: shift, into: result)
            return result
        }
        let (stemOutput, stemTape) = try NormalizedConvolution.forward([stem], [normalized], rectifies: true, pass)
        var x = stemOutput[0]
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
        return (logits, Tape(stem: stemTape[0], stemOutput: stemOutput[0], elements: tapes, classifier: tape))
    }

    /// Carries the gradient of the logits back: adds parameter gradients unless `gradients` is nil, and returns the
    /// gradient of the images in pixel units if wanted, else nothing.
    public func backward(
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
        let dNormalized = try NormalizedConvolution.backward(
            [stem], [g], [tape.stem], masksInput: false, wantsInput: wantsInput, pass, into: gradients)[0]
        gradients?.onReady(0..<(ranges.first?.lowerBound ?? 0))
        let scale = settings.deviation.map { 1 / $0 }
        let none = [Float](repeating: 0, count: scale.count)
        return dNormalized.map { dx in
            ChannelOperations.affine(dx, scale: scale, shift: none, into: dx)
            return dx
        }
    }
}
