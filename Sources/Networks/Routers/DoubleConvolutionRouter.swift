import Tensors

/// A convolution to eight channels, batch norm, a convolution to one channel an expert, then global average pooling; no
/// padding, no bias, no ReLU.
struct DoubleConvolutionRouter: RouterNetwork {
    /// Channels between the two convolutions.
    private static let middleChannels = 8

    private let front: NormalizedConvolution
    private let head: LinearHead
    private let inputs: Int

    struct Tape {
        let front: [NormalizedConvolution.Tape]
        /// What the second convolution saw, and the means that it took.
        let maps: [Tensor]
        let pooled: [Tensor]
    }

    init(_ path: String, kernel: Int, inputs: Int, experts: Int, _ parameters: Parameters) {
        self.inputs = inputs
        let middle = Self.middleChannels
        let convolution = Convolution(
            "\(path).router.conv1", inputs: inputs, outputs: middle, kernel: kernel, stride: 1, padding: 0, parameters,
            .pyTorchDefault(fanIn: inputs * kernel * kernel), group: .router)
        let norm = BatchNorm("\(path).router.bn1", channels: middle, parameters, group: .router)
        front = NormalizedConvolution(
            path: "\(path).router.conv1", operation: .plain(ConvolutionBank(convolution)), norm: norm)
        head = LinearHead(
            "\(path).router.conv2", kernel: kernel, inputs: middle, experts: experts, hasBias: false, parameters)
    }

    var smallestMap: Int { 2 * head.kernel - 1 }

    func multiplyAdds(_ map: MapSize) -> Int {
        let inner = map.after(kernel: head.kernel, stride: 1, padding: 0)
        return head.kernel * head.kernel * Self.middleChannels * (inner.height * inner.width * inputs + head.experts)
    }

    func forward(_ x: [Tensor], _ pass: Pass) throws -> (logits: [[Float]], tape: Tape) {
        let (y, tapes) = try NormalizedConvolution.forward([front], [x], rectifies: false, pass)
        let maps = y[0]
        let pooled = maps.map(head.pooled)
        return (pooled.map { head.logits($0, pass) }, Tape(front: tapes, maps: maps, pooled: pooled))
    }

    func backward(
        _ dLogits: [Tensor], _ tape: Tape, _ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        head.addGradients(dLogits, tape.pooled, into: gradients)
        let dMaps = zip(head.pooledGradients(dLogits, tape.pooled, pass), tape.maps).map { gradient, map in
            let result = Tensor(like: map)
            Pooling.windowAverageBackward(gradient, kernel: head.kernel, into: result)
            return result
        }
        return try NormalizedConvolution.backward(
            [front], [dMaps], tape.front, addends: dx.map { [$0] }, masksInput: masksInput, wantsInput: dx != nil, pass,
            into: gradients)[0]
    }
}
