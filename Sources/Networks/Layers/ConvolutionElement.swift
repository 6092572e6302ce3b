import Tensors

/// A convolution, its batch norm if it has one, and a ReLU if wanted, as a step of a network.
struct ConvolutionElement: NetworkElement {
    let unit: NormalizedConvolution
    let isRectified: Bool

    func forward(_ x: [Tensor], _ pass: Pass) throws -> (y: [Tensor], tape: NormalizedConvolution.Tape) {
        let (y, tapes) = try NormalizedConvolution.forward([unit], [x], rectifies: isRectified, pass)
        return (y[0], tapes[0])
    }

    func backward(
        _ g: [Tensor], _ tape: NormalizedConvolution.Tape, masksInput: Bool, wantsInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        try NormalizedConvolution.backward(
            [unit], [g], [tape], masksInput: masksInput, wantsInput: wantsInput, pass, into: gradients)[0]
    }
}
