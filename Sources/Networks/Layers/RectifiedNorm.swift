import Tensors

/// A batch norm with its ReLU, apart from any convolution: what stands in front of the convolutions of pre-activation
/// blocks and dense layers, whose input is a sum or a concatenation, so that nothing in front can take the factor up.
///
/// In passes with running statistics it is one pass over memory. Functions take the same layer of several experts at
/// once, `[layer][shard]`, so that those share one sum over the global batch.
struct RectifiedNorm: NetworkElement {
    let path: String
    let norm: BatchNorm

    struct Tape {
        let x: [Tensor]
        let coefficients: [BatchNorm.Coefficients]
    }

    var isRectified: Bool { true }

    static func forward(
        _ layers: [RectifiedNorm], _ x: [[Tensor]], _ pass: Pass
    ) throws -> (y: [[Tensor]], tapes: [Tape]) {
        let coefficients = try coefficients(layers, x, pass)
        let y = layers.indices.map { layer in
            x[layer].indices.map { shard in
                let y = Tensor(like: x[layer][shard])
                let known = coefficients[layer][shard]
                ChannelOperations.affine(
                    x[layer][shard], scale: known.scale, shift: known.shift, rectifies: true, into: y)
                return y
            }
        }
        for (layer, outputs) in zip(layers, y) { try pass.check(outputs, after: layer.path) }
        return (y, layers.indices.map { Tape(x: x[$0], coefficients: coefficients[$0]) })
    }

    /// What the inputs are normalised by; records their moments if the pass asks for them.
    static func coefficients(
        _ layers: [RectifiedNorm], _ x: [[Tensor]], _ pass: Pass
    ) throws -> [[BatchNorm.Coefficients]] {
        var moments: [[ChannelMoments]] = []
        if let first = layers.first, pass.normalization(of: first.norm) != .running {
            moments = zip(layers, x).map { layer, tensors in
                // The same on all ranks, and near the mean once a few batches were seen.
                let center = Array(pass.parameters.values(of: layer.norm.mean))
                return tensors.map { tensor in
                    let sums = ChannelOperations.moments(tensor, center: center)
                    return ChannelMoments(count: tensor.images * tensor.pixels, sums, around: center)
                }
            }
        }
        return try BatchNorm.coefficients(layers.map(\.norm), moments, shards: x.first?.count ?? 0, pass)
    }

    /// Carries gradients, already gated by the outputs, back to the inputs.
    /// - Parameters:
    ///   - addends: Added to the gradient of the input before it is masked.
    ///   - masksInput: The input is a ReLU's output: keeps its gradient only where the input is positive.
    static func backward(
        _ layers: [RectifiedNorm], _ g: [[Tensor]], _ tapes: [Tape], addends: [[Tensor]]? = nil, masksInput: Bool,
        _ pass: Pass, into gradients: GradientAccumulator?
    ) throws -> [[Tensor]] {
        let dx = try BatchNorm.backward(
            layers.map(\.norm), g, inputs: tapes.map(\.x), tapes.map(\.coefficients), addends: addends, pass,
            into: gradients)
        if masksInput {
            for (layer, tape) in tapes.enumerated() {
                for shard in tape.x.indices { ChannelOperations.gate(dx[layer][shard], by: tape.x[shard]) }
            }
        }
        return dx
    }

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
