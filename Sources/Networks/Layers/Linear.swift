import Tensors

/// A linear layer with bias (torch.nn.Linear) over maps as they lie in memory, pixel by pixel.
struct Linear {
    let weight: Slot
    let bias: Slot
    let inputs: Int
    let outputs: Int

    /// - Parameters:
    ///   - side: Rows and columns of the maps that it sees flattened; 1 for a list of numbers.
    ///   - channels: Their channels.
    init(
        _ path: String, side: Int = 1, channels: Int, outputs: Int, _ parameters: Parameters, weight: Initializer,
        bias: Initializer
    ) {
        inputs = side * side * channels
        self.outputs = outputs
        let layout: SlotLayout =
            side == 1
            ? .matrix(inputs: channels, outputs: outputs)
            : .flattenedMap(side: side, channels: channels, outputs: outputs)
        self.weight = parameters.register("\(path).weight", layout, weight)
        self.bias = parameters.register("\(path).bias", .vector(outputs), bias)
    }

    /// Returns `[images, 1, 1, outputs]`.
    func forward(_ x: Tensor, rectifies: Bool, _ pass: Pass) -> Tensor {
        let y = Tensor(pass.workspace, images: x.images, channels: outputs)
        MatrixProduct.multiply(
            x.images, outputs, inputs, x.pointer, inputs, pass.parameters.pointer(weight), outputs, into: y.pointer,
            outputs, purpose: .classifier)
        let ones = [Float](repeating: 1, count: outputs)
        let offsets = Array(pass.parameters.values(of: bias))
        ChannelOperations.affine(y, scale: ones, shift: offsets, rectifies: rectifies, into: y)
        return y
    }

    /// Adds the gradients of weight and bias unless `gradients` is nil, and returns that of `x`.
    func backward(_ dy: Tensor, _ x: Tensor, shard: Int, _ pass: Pass, into gradients: GradientAccumulator?) -> Tensor {
        if let gradients, gradients.wants(weight) {
            MatrixProduct.multiply(
                inputs, outputs, dy.images, x.pointer, inputs, transposeA: true, dy.pointer, outputs,
                into: gradients.pointer(weight, shard: shard), outputs, accumulate: true, purpose: .classifier)
            let dBias = gradients.pointer(bias, shard: shard)
            for image in 0..<dy.images {
                for output in 0..<outputs { dBias[output] += dy.pointer[image * outputs + output] }
            }
        }
        let dx = Tensor(like: x)
        MatrixProduct.multiply(
            dy.images, inputs, outputs, dy.pointer, outputs, pass.parameters.pointer(weight), outputs,
            transposeB: true, into: dx.pointer, inputs, purpose: .classifier)
        return dx
    }
}
