import Tensors

/// What follows the last map: average pooling to a small one, and linear layers to logits, ReLU between them.
struct Classifier {
    /// Rows and columns that the map is pooled to: 1 is its mean.
    let side: Int
    let layers: [Linear]

    struct Tape {
        let x: [Tensor]
        /// What each linear layer saw, `[layer][shard]`.
        let inputs: [[Tensor]]
    }

    /// Returns logits, `[images, 1, 1, classes]`.
    func forward(_ x: [Tensor], _ pass: Pass) -> (logits: [Tensor], tape: Tape) {
        var y = x.map { side == 1 ? Pooling.average($0) : AveragePooling.adaptive(side: side).forward($0) }
        var inputs: [[Tensor]] = []
        for (index, layer) in layers.enumerated() {
            inputs.append(y)
            y = y.map { layer.forward($0, rectifies: index + 1 < layers.count, pass) }
        }
        return (y, Tape(x: x, inputs: inputs))
    }

    /// Returns the gradient of the map, kept where it is positive if `masksInput`.
    func backward(
        _ dLogits: [Tensor], _ tape: Tape, masksInput: Bool, _ pass: Pass, into gradients: GradientAccumulator?
    ) -> [Tensor] {
        dLogits.indices.map { shard in
            var g = dLogits[shard]
            for index in layers.indices.reversed() {
                let input = tape.inputs[index][shard]
                g = layers[index].backward(g, input, shard: shard, pass, into: gradients)
                if index > 0 { ChannelOperations.gate(g, by: input) }
            }
            let x = tape.x[shard]
            if side > 1 { return AveragePooling.adaptive(side: side).backward(g, x, masksInput: masksInput) }
            let dx = Tensor(like: x)
            Pooling.averageBackward(g, mask: masksInput ? x : nil, into: dx)
            return dx
        }
    }
}
