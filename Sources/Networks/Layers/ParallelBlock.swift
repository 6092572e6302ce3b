import Tensors

/// A residual block, of which several advance together as the experts of a mixture, layer by layer, so that all of them
/// share one sum over the global batch at each batch norm; `[block][shard]` is the order of all lists.
protocol ParallelBlock: NetworkElement {
    /// Computes the outputs of the same block of several experts.
    static func forward(
        _ blocks: [Self], _ x: [[Tensor]], _ pass: Pass
    ) throws -> (y: [[Tensor]], tapes: [Tape])

    /// Carries gradients back through the same block of several experts.
    ///
    /// `g` is gated by the blocks' outputs if they are rectified; the result is gated by the inputs if `masksInput`.
    static func backward(
        _ blocks: [Self], _ g: [[Tensor]], _ tapes: [Tape], masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [[Tensor]]
}

extension ParallelBlock {
    func forward(_ x: [Tensor], _ pass: Pass) throws -> (y: [Tensor], tape: Tape) {
        let (y, tapes) = try Self.forward([self], [x], pass)
        return (y[0], tapes[0])
    }

    func backward(
        _ g: [Tensor], _ tape: Tape, masksInput: Bool, wantsInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        try Self.backward([self], [g], [tape], masksInput: masksInput, pass, into: gradients)[0]
    }
}
