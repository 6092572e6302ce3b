import Tensors

/// One step of a network: what it computes, and how gradients come back through it.
protocol NetworkElement {
    /// What the backward pass needs of a forward pass.
    associatedtype Tape

    /// Whether the output is that of a ReLU, or made of such values alone: then the gradient that it gets is gated
    /// already, by the epilogue of the product that makes it.
    var isRectified: Bool { get }

    /// Computes the output of every shard.
    func forward(_ x: [Tensor], _ pass: Pass) throws -> (y: [Tensor], tape: Tape)

    /// Carries the gradient of the output back: adds parameter gradients unless `gradients` is nil, and returns the
    /// gradient of the input.
    ///
    /// - Parameters:
    ///   - g: The gradient of the output, kept only where the output is positive if the element ``isRectified``.
    ///   - masksInput: The input is a ReLU's output: its gradient is kept only where it is positive.
    ///   - wantsInput: Without it an element may leave the gradient of the input out, and return nothing.
    func backward(
        _ g: [Tensor], _ tape: Tape, masksInput: Bool, wantsInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor]
}

/// An element together with the tape of one of its forward passes: no tape can meet another element.
protocol RecordedElement {
    /// Carries the gradient back, as ``NetworkElement/backward(_:_:masksInput:wantsInput:_:into:)``.
    func backward(
        _ g: [Tensor], masksInput: Bool, wantsInput: Bool, _ pass: Pass, into gradients: GradientAccumulator?
    ) throws -> [Tensor]
}

private struct Recorded<Element: NetworkElement>: RecordedElement {
    let element: Element
    let tape: Element.Tape

    func backward(
        _ g: [Tensor], masksInput: Bool, wantsInput: Bool, _ pass: Pass, into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        try element.backward(
            g, tape, masksInput: masksInput, wantsInput: wantsInput, pass, into: gradients)
    }
}

extension NetworkElement {
    /// Computes the output of every shard, and keeps what the backward pass needs.
    func record(_ x: [Tensor], _ pass: Pass) throws -> (y: [Tensor], recorded: any RecordedElement) {
        let (y, tape) = try forward(x, pass)
        return (y, Recorded(element: self, tape: tape))
    }
}
