import Tensors

/// The layers of a router in front of its softmax.
struct RouterNetwork {
    /// What makes one number an expert of a map.
    enum Head {
        /// The filter of a convolution without padding times the means of what its taps meet: the convolution and
        /// global average pooling in one, both being linear. With a 1×1 kernel it is a linear layer of the pooled map.
        case linear(kernel: Int, weight: Slot, bias: Slot?)
        case firstChannels
        /// Draws of the stream of this number.
        case random(stream: Int)
    }

    /// What ``backward(_:_:adding:masksInput:_:into:)`` needs.
    struct Tape {
        let front: [NormalizedConvolution.Tape]
        let trunk: ResidualTrunk.Tape?
        /// What the head saw, and the means that it took.
        let maps: [Tensor]
        let pooled: [Tensor]
    }

    /// Channels between the two convolutions of ``RouterKind/doubleConvGap(kernel:)``.
    static let middleChannels = 8

    let experts: Int
    /// The convolution and its batch norm in front of the head, or none.
    let front: [NormalizedConvolution]
    /// The residual network in front of the head, or none.
    let trunk: ResidualTrunk?
    let head: Head

    init(_ path: String, inputs: Int, experts: Int, _ kind: RouterKind, _ parameters: Parameters) {
        self.experts = experts
        let place = parameters.parameterCount
        func linear(_ name: String, kernel: Int, inputs: Int, hasBias: Bool) -> Head {
            let initial = Initializer.pyTorchDefault(fanIn: inputs * kernel * kernel)
            let layout: SlotLayout =
                hasBias
                ? .matrix(inputs: inputs, outputs: experts)
                : .convolution(kernel: kernel, inputs: inputs, outputs: experts)
            let weight = parameters.register("\(path).\(name).weight", layout, initial, group: .router)
            let bias =
                hasBias ? parameters.register("\(path).\(name).bias", .vector(experts), initial, group: .router) : nil
            return .linear(kernel: kernel, weight: weight, bias: bias)
        }
        var front: [NormalizedConvolution] = []
        var trunk: ResidualTrunk?
        switch kind {
        case .gapLinear: head = linear("router", kernel: 1, inputs: inputs, hasBias: true)
        case .convGap(let kernel): head = linear("router", kernel: kernel, inputs: inputs, hasBias: false)
        case .doubleConvGap(let kernel):
            let middle = RouterNetwork.middleChannels
            let initial = Initializer.pyTorchDefault(fanIn: inputs * kernel * kernel)
            let convolution = Convolution(
                "\(path).router.conv1", inputs: inputs, outputs: middle, kernel: kernel, stride: 1, padding: 0,
                parameters, initial, group: .router)
            let norm = BatchNorm("\(path).router.bn1", channels: middle, parameters, group: .router)
            front = [
                NormalizedConvolution(
                    path: "\(path).router.conv1", operation: .plain(ConvolutionBank(convolution)),
                    norm: norm)
            ]
            head = linear("router.conv2", kernel: kernel, inputs: middle, hasBias: false)
        case .fixedProjection:
            let weight = parameters.register(
                "\(path).router.projection", .matrix(inputs: inputs, outputs: experts), .normal(deviation: 1),
                isStatistic: true, group: .router)
            head = .linear(kernel: 1, weight: weight, bias: nil)
        case .firstChannels: head = .firstChannels
        case .random: head = .random(stream: place)
        case .resnet20:
            trunk = ResidualTrunk(path, inputs: inputs, parameters)
            head = linear("fc", kernel: 1, inputs: ResidualTrunk.outputs, hasBias: true)
        }
        self.front = front
        self.trunk = trunk
    }

    /// Makes the logits of every shard, `[images][experts]`.
    func forward(_ x: [Tensor], _ pass: Pass) throws -> (logits: [[Float]], tape: Tape) {
        var maps = x
        var frontTape: [NormalizedConvolution.Tape] = []
        if !front.isEmpty {
            let (y, tapes) = try NormalizedConvolution.forward(front, [x], rectifies: false, pass)
            (maps, frontTape) = (y[0], tapes)
        }
        var trunkTape: ResidualTrunk.Tape?
        if let trunk { (maps, trunkTape) = try trunk.forward(x, pass) }
        var pooled: [Tensor] = []
        var logits: [[Float]] = []
        switch head {
        case .linear(let kernel, let weight, let bias):
            pooled = maps.map { Pooling.windowAverage($0, kernel: kernel) }
            logits = pooled.map { linear($0, weight, bias, pass) }
        case .firstChannels:
            pooled = maps.map(Pooling.average)
            logits = pooled.map { means in
                (0..<means.images * experts).map { means.pointer[$0 / experts * means.channels + $0 % experts] }
            }
        case .random(let stream): logits = x.indices.map { drawn(stream, x[$0], shard: $0, pass) }
        }
        return (logits, Tape(front: frontTape, trunk: trunkTape, maps: maps, pooled: pooled))
    }

    private func linear(_ pooled: Tensor, _ weight: Slot, _ bias: Slot?, _ pass: Pass) -> [Float] {
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

    private func drawn(_ stream: Int, _ x: Tensor, shard: Int, _ pass: Pass) -> [Float] {
        var training: TrainingRouting?
        if case .learned(let given) = pass.routing { training = given }
        return (0..<x.images).flatMap { image in
            var numbers = RandomStream(
                seed: (training?.seed ?? 0) &+ UInt64(stream), purpose: .randomRoutes, step: training?.step ?? 0,
                index: pass.samples[shard][image])
            return (0..<experts).map { _ in numbers.normal() }
        }
    }

    /// Adds the gradients of the router's parameters, and returns `dx` plus the router's part of the gradient of its
    /// input, kept where the input is positive if `masksInput`; `dx` may be overwritten.
    ///
    /// - Parameters:
    ///   - dLogits: For each shard, `[images, 1, 1, experts]`.
    ///   - dx: What to add to, or nil if the gradient of the input is not wanted: then nothing is returned.
    func backward(
        _ dLogits: [Tensor], _ tape: Tape, _ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        switch head {
        case .random: return RouterNetwork.withoutGradient(x, adding: dx, masksInput: masksInput)
        case .firstChannels:
            let dPooled = zip(dLogits, tape.pooled).map(widened)
            return spread(dPooled, kernel: 1, x, adding: dx, masksInput: masksInput)
        case .linear(let kernel, let weight, let bias):
            if let gradients, !weight.isStatistic, gradients.wants(weight) {
                for shard in dLogits.indices {
                    addGradients(dLogits[shard], tape.pooled[shard], weight, bias, shard: shard, into: gradients)
                }
            }
            if front.isEmpty, trunk == nil, dx == nil { return [] }
            let dPooled = zip(dLogits, tape.pooled).map { dLogits, pooled in
                let result = Tensor(like: pooled)
                MatrixProduct.multiply(
                    pooled.images, pooled.channels, experts, dLogits.pointer, experts,
                    pass.parameters.pointer(weight), experts, transposeB: true, into: result.pointer, pooled.channels,
                    purpose: .router)
                return result
            }
            if let trunk, let trunkTape = tape.trunk {
                let dMaps = zip(dPooled, tape.maps).map { gradient, map in
                    let result = Tensor(like: map)
                    Pooling.averageBackward(gradient, mask: map, into: result)
                    return result
                }
                return try trunk.backward(dMaps, trunkTape, adding: dx, masksInput: masksInput, pass, into: gradients)
            }
            if front.isEmpty { return spread(dPooled, kernel: kernel, x, adding: dx, masksInput: masksInput) }
            let dMaps = zip(dPooled, tape.maps).map { gradient, map in
                let result = Tensor(like: map)
                Pooling.windowAverageBackward(gradient, kernel: kernel, into: result)
                return result
            }
            return try NormalizedConvolution.backward(
                front, [dMaps], tape.front, addends: dx.map { [$0] }, masksInput: masksInput, wantsInput: dx != nil,
                pass, into: gradients)[0]
        }
    }

    private func addGradients(
        _ dLogits: Tensor, _ pooled: Tensor, _ weight: Slot, _ bias: Slot?, shard: Int,
        into gradients: GradientAccumulator
    ) {
        MatrixProduct.multiply(
            pooled.channels, experts, pooled.images, pooled.pointer, pooled.channels, transposeA: true,
            dLogits.pointer, experts, into: gradients.pointer(weight, shard: shard), experts, accumulate: true,
            purpose: .router)
        guard let bias else { return }
        let dBias = gradients.pointer(bias, shard: shard)
        for place in 0..<dLogits.count { dBias[place % experts] += dLogits.pointer[place] }
    }

    /// The gradient of all channels from that of the first ones.
    private func widened(_ dLogits: Tensor, like pooled: Tensor) -> Tensor {
        let result = Tensor(like: pooled)
        result.fill(0)
        for place in 0..<dLogits.count {
            result.pointer[place / experts * pooled.channels + place % experts] = dLogits.pointer[place]
        }
        return result
    }

    private func spread(
        _ dPooled: [Tensor], kernel: Int, _ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool
    ) -> [Tensor] {
        guard let dx else { return [] }
        for shard in dx.indices {
            Pooling.windowAverageBackward(
                dPooled[shard], kernel: kernel, mask: masksInput ? x[shard] : nil, adds: true, into: dx[shard])
        }
        return dx
    }

    /// What is left of ``backward(_:_:_:adding:masksInput:_:into:)`` where no gradient passes the router.
    static func withoutGradient(_ x: [Tensor], adding dx: [Tensor]?, masksInput: Bool) -> [Tensor] {
        guard let dx else { return [] }
        if masksInput { for shard in dx.indices { ChannelOperations.gate(dx[shard], by: x[shard]) } }
        return dx
    }
}
