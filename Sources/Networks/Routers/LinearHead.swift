import Tensors

/// The last layer of a router that learns: the filter of a convolution without padding times the means of what its taps
/// meet, the convolution and global average pooling in one, both being linear.
///
/// With a 1×1 kernel it is a linear layer of the pooled map.
struct LinearHead {
    let kernel: Int
    let experts: Int
    let weight: Slot
    let bias: Slot?

    /// Registers `<path>.weight` and `<path>.bias`, drawn as PyTorch does by default: a linear layer's with a bias, else a
    /// convolution's.
    init(_ path: String, kernel: Int = 1, inputs: Int, experts: Int, hasBias: Bool, _ parameters: Parameters) {
        self.kernel = kernel
        self.experts = experts
        let initial = Initializer.pyTorchDefault(fanIn: inputs * kernel * kernel)
        let layout: SlotLayout =
            hasBias
            ? .matrix(inputs: inputs, outputs: experts)
            : .convolution(kernel: kernel, inputs: inputs, outputs: experts)
        weight = parameters.register("\(path).weight", layout, initial, group: .router)
        bias = hasBias ? parameters.register("\(path).bias", .vector(experts), initial, group: .router) : nil
    }

    /// A linear layer with these weights, and no bias.
    init(fixed weight: Slot, experts: Int) {
        kernel = 1
        self.experts = experts
        self.weight = weight
        bias = nil
    }

    /// The means that the layer takes of a map.
    func pooled(_ map: Tensor) -> Tensor { Pooling.windowAverage(map, kernel: kernel) }

    /// Makes logits, `[images × experts]`, of pooled maps.
    func logits(_ pooled: Tensor, _ pass: Pass) -> [Float] {
        var logits = [Float](repeating: 0, count: pooled.images * experts)
        logits.withUnsafeMutableBufferPointer { logits in
            guard let target = logits.baseAddress else { return }
            MatrixProduct.multiply(
                pooled.images, experts, pooled.channels, pooled.pointer, pooled.channels,
                pass.parameters.pointer(weight), experts, into: target, experts, purpose: .router)
        }
        if let bias {
            let offsets = pass.parameters.values(of: bias)
            for place in logits.indices { logits[place] += offsets[place % experts] }
        }
        return logits
    }

    /// Adds the gradients of the layer's parameters, if they are trained and wanted.
    /// - Parameters:
    ///   - dLogits: For each shard, `[images, 1, 1, experts]`.
    ///   - pooled: What the layer saw, of each shard.
    func addGradients(_ dLogits: [Tensor], _ pooled: [Tensor], into gradients: GradientAccumulator?) {
        guard let gradients, !weight.isStatistic, gradients.wants(weight) else { return }
        for (shard, (dLogits, pooled)) in zip(dLogits, pooled).enumerated() {
            MatrixProduct.multiply(
                pooled.channels, experts, pooled.images, pooled.pointer, pooled.channels, transposeA: true,
                dLogits.pointer, experts, into: gradients.pointer(weight, shard: shard), experts, accumulate: true,
                purpose: .router)
            guard let bias else { continue }
            let dBias = gradients.pointer(bias, shard: shard)
            for place in 0..<dLogits.count { dBias[place % experts] += dLogits.pointer[place] }
        }
    }

    /// The gradients of what the layer saw.
    func pooledGradients(_ dLogits: [Tensor], _ pooled: [Tensor], _ pass: Pass) -> [Tensor] {
        zip(dLogits, pooled).map { dLogits, pooled in
            let result = Tensor(like: pooled)
            MatrixProduct.multiply(
                pooled.images, pooled.channels, experts, dLogits.pointer, experts, pass.parameters.pointer(weight),
                experts, transposeB: true, into: result.pointer, pooled.channels, purpose: .router)
            return result
        }
    }

    /// Adds to `dx` what the gradients of means, taken by such a kernel, are to their maps `x`.
    static func spread(
        _ dPooled: [Tensor], kernel: Int, _ x: [Tensor], adding dx: [Tensor], masksInput: Bool
    ) -> [Tensor] {
        for shard in dx.indices {
            Pooling.windowAverageBackward(
                dPooled[shard], kernel: kernel, mask: masksInput ? x[shard] : nil, adds: true, into: dx[shard])
        }
        return dx
    }
}
