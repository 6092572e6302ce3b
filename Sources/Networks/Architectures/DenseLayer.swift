import Tensors

/// A layer of a DenseNet-BC (Huang et al., arXiv:1608.06993): its new channels, conv₃ₓ₃(ReLU(BN₂(conv₁ₓ₁(ReLU(BN₁(x)))))),
/// behind all channels of its input.
///
/// BN₂ folds into the 1×1 convolution in frozen attacks; BN₁ sees a concatenation and stays a pass of its own.
struct DenseLayer: NetworkElement {
    /// BN₁ and its ReLU.
    let activation: RectifiedNorm
    /// The 1×1 convolution and BN₂.
    let bottleneck: NormalizedConvolution
    /// The 3×3 convolution.
    let growth: NormalizedConvolution

    struct Tape {
        let activation: RectifiedNorm.Tape
        let bottleneck: NormalizedConvolution.Tape
        let growth: NormalizedConvolution.Tape
    }

    /// Its new channels are no ReLU's.
    var isRectified: Bool { false }

    func forward(_ x: [Tensor], _ pass: Pass) throws -> (y: [Tensor], tape: Tape) {
        let (activated, activationTape) = try activation.forward(x, pass)
        let (hidden, bottleneckTapes) = try NormalizedConvolution.forward(
            [bottleneck], [activated], rectifies: true, pass)
        let (new, growthTapes) = try NormalizedConvolution.forward([growth], hidden, rectifies: false, pass)
        let y = zip(x, new[0]).map(ChannelConcatenation.join)
        return (y, Tape(activation: activationTape, bottleneck: bottleneckTapes[0], growth: growthTapes[0]))
    }

    func backward(
        _ g: [Tensor], _ tape: Tape, masksInput: Bool, wantsInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        let inputs = activation.norm.channels
        let parts = g.map { ChannelConcatenation.split($0, at: inputs) }
        let dHidden = try NormalizedConvolution.backward(
            [growth], [parts.map(\.second)], [tape.growth], masksInput: true, pass, into: gradients)
        let dActivated = try NormalizedConvolution.backward(
            [bottleneck], dHidden, [tape.bottleneck], masksInput: true, pass, into: gradients)
        return try RectifiedNorm.backward(
            [activation], dActivated, [tape.activation], addends: [parts.map(\.first)], masksInput: masksInput, pass,
            into: gradients)[0]
    }
}
