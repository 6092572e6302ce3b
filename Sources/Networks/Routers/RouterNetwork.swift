import Tensors

/// The layers of a router in front of its softmax: what makes a number an expert of the map that the experts see.
///
/// Each kind is a file of its own, named in ``RouterKind/network(_:inputs:experts:_:)``.
protocol RouterNetwork {
    /// What the backward pass needs of a forward pass.
    associatedtype Tape

    /// Rows and columns that a map must have at least.
    var smallestMap: Int { get }

    /// Multiply-adds for one image whose map is of this size.
    ///
    /// Convolutions that are averaged over their output cost what they do once the averaging is done first.
    func multiplyAdds(_ map: MapSize) -> Int

    /// Makes the logits of every shard, `[images × experts]`.
    func forward(_ x: [Tensor], _ pass: Pass) throws -> (logits: [[Float]], tape: Tape)

    /// Adds the gradients of the router's parameters, and returns `dx` plus the router's part of the gradient of its
    /// input, kept where the input is positive if `masksInput`; `dx` may be overwritten.
    ///
    /// - Parameters:
    ///   - dLogits: For each shard, `[images, 1, 1, experts]`.
    ///   - x: What the forward pass saw.
    ///   - dx: What to add to, or nil if the gradient of the input is not wanted: then nothing is returned.
    ///   - gradients: Where to add; nil in attacks.
    func backward(
        _ dLogits: [Tensor], _ tape: Tape, _ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor]
}

/// A router's layers together with the tape of one of their forward passes.
protocol RecordedRouterNetwork {
    /// Carries gradients back, as ``RouterNetwork/backward(_:_:_:adding:masksInput:_:into:)``.
    func backward(
        _ dLogits: [Tensor], _ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor]
}

private struct Recorded<Layers: RouterNetwork>: RecordedRouterNetwork {
    let layers: Layers
    let tape: Layers.Tape

    func backward(
        _ dLogits: [Tensor], _ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        try layers.backward(dLogits, tape, x, adding: dx, masksInput: masksInput, pass, into: gradients)
    }
}

extension RouterNetwork {
    /// Most do with any map.
    var smallestMap: Int { 1 }

    /// Makes logits, and keeps what the backward pass needs.
    func record(_ x: [Tensor], _ pass: Pass) throws -> (logits: [[Float]], recorded: any RecordedRouterNetwork) {
        let (logits, tape) = try forward(x, pass)
        return (logits, Recorded(layers: self, tape: tape))
    }
}
