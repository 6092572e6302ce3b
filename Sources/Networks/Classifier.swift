import Tensors

/// Global average pooling and the linear layer to logits.
struct Classifier {
    let weight: Slot
    let bias: Slot
    let inputs: Int
    let classes: Int

    /// - Parameter deviation: The weights are drawn from N(0, deviation²) and the bias is 0; nil means PyTorch's default.
    init(inputs: Int, classes: Int, deviation: Float? = nil, _ parameters: Parameters) {
        self.inputs = inputs
        self.classes = classes
        let standard = Initializer.uniform(bound: 1 / Float(inputs).squareRoot())
        weight = parameters.register(
            "fc.weight", .matrix(inputs: inputs, outputs: classes), deviation.map { .normal(deviation: $0) } ?? standard
        )
        bias = parameters.register("fc.bias", .vector(classes), deviation == nil ? standard : .constant(0))
    }

    struct Tape {
        let x: [Tensor]
        let pooled: [Tensor]
    }

    /// Returns logits, `[images, 1, 1, classes]`.
    func forward(_ x: [Tensor], _ pass: Pass) -> (logits: [Tensor], tape: Tape) {
        let pooled = x.map(Pooling.average)
        let offsets = Array(pass.parameters.values(of: bias))
        let logits = pooled.map { mean in
            let result = Tensor(pass.workspace, images: mean.images, channels: classes)
            MatrixProduct.multiply(
                mean.images, classes, inputs, mean.pointer, inputs, pass.parameters.pointer(weight), classes,
                into: result.pointer, classes, purpose: .classifier)
            for place in 0..<result.count { result.pointer[place] += offsets[place % classes] }
            return result
        }
        return (logits, Tape(x: x, pooled: pooled))
    }

    /// Returns the gradient of the map, kept where it is positive if `masksInput`.
    func backward(
        _ dLogits: [Tensor], _ tape: Tape, masksInput: Bool, _ pass: Pass, into gradients: Gradients?
    ) -> [Tensor] {
        dLogits.indices.map { shard in
            let (dy, pooled, x) = (dLogits[shard], tape.pooled[shard], tape.x[shard])
            if let gradients, gradients.wants(weight) {
                MatrixProduct.multiply(
                    inputs, classes, dy.images, pooled.pointer, inputs, transposeA: true, dy.pointer, classes,
                    into: gradients.pointer(weight, shard: shard), classes, accumulate: true, purpose: .classifier)
                let dBias = gradients.pointer(bias, shard: shard)
                for place in 0..<dy.count { dBias[place % classes] += dy.pointer[place] }
            }
            let dPooled = Tensor(like: pooled)
            MatrixProduct.multiply(
                dy.images, inputs, classes, dy.pointer, classes, pass.parameters.pointer(weight), classes,
                transposeB: true, into: dPooled.pointer, inputs, purpose: .classifier)
            let dx = Tensor(like: x)
            Pooling.averageBackward(dPooled, mask: masksInput ? x : nil, into: dx)
            return dx
        }
    }
}
