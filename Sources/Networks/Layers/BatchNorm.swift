import Tensors

/// Batch normalisation with PyTorch's conventions (torch.nn.BatchNorm2d): epsilon 1e-5, the biased variance
/// normalises, the unbiased one enters the running variance, momentum 0.1 (running = 0.9 running + 0.1 batch).
///
/// Functions take several layers at once (the same layer of all experts), so that they share one sum over the global
/// batch; all are of one group of parameters, and `[layer][shard]` is the order of all lists.
struct BatchNorm {
    static let epsilon = 1e-5
    static let momentum: Float = 0.1

    let channels: Int
    let weight: Slot
    let bias: Slot
    let mean: Slot
    let variance: Slot
    let tracked: Slot

    /// - Parameter isTrained: Whether weight and bias are parameters; otherwise they stay 1 and 0, among the statistics.
    init(
        _ path: String, channels: Int, _ parameters: Parameters, group: ParameterGroup = .backbone,
        owner: ExpertOwner? = nil, isTrained: Bool = true
    ) {
        self.channels = channels
        func add(_ name: String, _ layout: SlotLayout, _ value: Float, isStatistic: Bool) -> Slot {
            parameters.register(
                "\(path).\(name)", layout, .constant(value), isStatistic: isStatistic, group: group,
                owner: owner)
        }
        weight = add("weight", .vector(channels), 1, isStatistic: !isTrained)
        bias = add("bias", .vector(channels), 0, isStatistic: !isTrained)
        mean = add("running_mean", .vector(channels), 0, isStatistic: true)
        variance = add("running_var", .vector(channels), 1, isStatistic: true)
        tracked = add("num_batches_tracked", .counter, 0, isStatistic: true)
    }

    /// What one shard is normalised by: y = x·scale + shift.
    struct Coefficients {
        let count: Double
        let mean: [Float]
        let inverseDeviation: [Float]
        let scale: [Float]
        let shift: [Float]
    }

    private func coefficients(count: Double, mean: [Double], variance: [Double], _ parameters: Parameters)
        -> Coefficients
    {
        let gamma = parameters.values(of: weight)
        let beta = parameters.values(of: bias)
        let inverse = variance.map { 1 / ($0 + BatchNorm.epsilon).squareRoot() }
        let scale = (0..<channels).map { Double(gamma[$0]) * inverse[$0] }
        return Coefficients(
            count: count, mean: mean.map(Float.init), inverseDeviation: inverse.map(Float.init),
            scale: scale.map(Float.init),
            shift: (0..<channels).map { Float(Double(beta[$0]) - mean[$0] * scale[$0]) })
    }

    /// The coefficients of the running statistics: what folds into a convolution.
    func runningCoefficients(_ parameters: Parameters) -> Coefficients {
        coefficients(
            count: 0, mean: parameters.values(of: mean).map(Double.init),
            variance: parameters.values(of: variance).map(Double.init), parameters)
    }

    private func coefficients(_ moments: ChannelMoments, _ parameters: Parameters) -> Coefficients {
        let count = max(1, moments.count)
        let mean = moments.sum.map { $0 / count }
        let variance = (0..<channels).map { max(0, moments.squares[$0] / count - mean[$0] * mean[$0]) }
        return coefficients(count: moments.count, mean: mean, variance: variance, parameters)
    }

    /// Returns what each shard of each layer is normalised by, and records the moments if the pass asks for them.
    /// - Parameter moments: The moments of the inputs; not looked at where running statistics normalise.
    static func coefficients(
        _ layers: [BatchNorm], _ moments: [[ChannelMoments]], shards: Int, _ pass: Pass
    ) throws -> [[Coefficients]] {
        let parameters = pass.parameters
        switch normalization(of: layers, pass) {
        case .running:
            return layers.map { Array(repeating: $0.runningCoefficients(parameters), count: shards) }
        case .local:
            for (layer, perShard) in zip(layers, moments) {
                pass.record?.norms.append(.init(norm: layer, perShard: perShard, global: nil))
            }
            return zip(layers, moments).map { layer, perShard in perShard.map { layer.coefficients($0, parameters) } }
        case .synchronized:
            let lists = (0..<shards).map { shard in moments.flatMap { $0[shard].list } }
            let sums = try pass.statistics.sum(lists, for: layers[0].weight.name)
            var position = 0
            return zip(layers, moments).map { layer, perShard in
                let global = ChannelMoments(list: sums[position..<position + 1 + 2 * layer.channels])
                position += 1 + 2 * layer.channels
                pass.record?.norms.append(.init(norm: layer, perShard: perShard, global: global))
                return Array(repeating: layer.coefficients(global, parameters), count: shards)
            }
        }
    }

    /// What layers that advance together normalise by.
    private static func normalization(of layers: [BatchNorm], _ pass: Pass) -> Normalization {
        layers.first.map(pass.normalization) ?? pass.normalization
    }

    /// Backward: returns the gradient of the inputs, and adds Σ g·x̂ and Σ g to the gradients of weight and bias.
    ///
    /// With batch moments over n values, dx = γ/σ [g − Σg/n − (x − μ) Σ(g (x − μ))/(n σ²)]; with running statistics,
    /// dx = γ/σ g.
    /// - Parameter addends: Added to the gradient of the inputs, or nil.
    static func backward(
        _ layers: [BatchNorm], _ g: [[Tensor]], inputs: [[Tensor]], _ coefficients: [[Coefficients]],
        addends: [[Tensor]]? = nil, _ pass: Pass, into gradients: GradientAccumulator?
    ) throws -> [[Tensor]] {
        let normalization = normalization(of: layers, pass)
        let isRunning = normalization == .running
        let isTrained = layers.contains { gradients?.wants($0.weight) ?? false }
        var sums: [[ChannelSums]] = []
        if !isRunning || isTrained {
            sums = layers.indices.map { layer in
                g[layer].indices.map { shard in
                    ChannelOperations.sums(
                        g[layer][shard], inputs[layer][shard], center: coefficients[layer][shard].mean)
                }
            }
        }
        if let gradients {
            for (layer, norm) in layers.enumerated() where gradients.wants(norm.weight) {
                for shard in g[layer].indices {
                    let dWeight = gradients.pointer(norm.weight, shard: shard)
                    let dBias = gradients.pointer(norm.bias, shard: shard)
                    let inverse = coefficients[layer][shard].inverseDeviation
                    for channel in 0..<norm.channels {
                        dWeight[channel] += Float(sums[layer][shard].product[channel]) * inverse[channel]
                        dBias[channel] += Float(sums[layer][shard].sum[channel])
                    }
                }
            }
        }
        if normalization == .synchronized, let shards = g.first?.count {
            let lists = (0..<shards).map { shard in sums.flatMap { $0[shard].sum + $0[shard].product } }
            let global = try pass.statistics.sum(lists, for: layers[0].weight.name)
            var position = 0
            for (layer, norm) in layers.enumerated() {
                let middle = position + norm.channels
                let end = middle + norm.channels
                let total = ChannelSums(sum: Array(global[position..<middle]), product: Array(global[middle..<end]))
                sums[layer] = Array(repeating: total, count: shards)
                position = end
            }
        }
        return layers.indices.map { layer in
            g[layer].indices.map { shard in
                let known = coefficients[layer][shard]
                let dx = Tensor(like: g[layer][shard])
                let addend = addends?[layer][shard]
                if isRunning {
                    let none = [Float](repeating: 0, count: known.scale.count)
                    ChannelOperations.affine(
                        g[layer][shard], scale: known.scale, shift: none, addend: addend, into: dx)
                } else {
                    let (slope, shift) = inputSlope(known, sums[layer][shard])
                    ChannelOperations.affineOfTwo(
                        g[layer][shard], scale: known.scale, inputs[layer][shard], slope: slope, shift: shift,
                        addend: addend, into: dx)
                }
                return dx
            }
        }
    }

    /// The terms of dx beside γ/σ g: x·slope + shift.
    private static func inputSlope(_ known: Coefficients, _ sums: ChannelSums) -> (slope: [Float], shift: [Float]) {
        let count = max(1, known.count)
        var slope: [Float] = []
        var shift: [Float] = []
        for channel in known.scale.indices {
            let inverse = Double(known.inverseDeviation[channel])
            let scale = Double(known.scale[channel])
            let q = -scale * inverse * inverse * sums.product[channel] / count
            slope.append(Float(q))
            shift.append(Float(-scale * sums.sum[channel] / count - q * Double(known.mean[channel])))
        }
        return (slope, shift)
    }

    /// Moves the running statistics towards the moments of the global batch; fewer than two values change nothing.
    func updateRunningStatistics(_ moments: ChannelMoments, _ parameters: WritableParameters) {
        guard moments.count >= 2 else { return }
        let runningMean = parameters.values(of: mean)
        let runningVariance = parameters.values(of: variance)
        for channel in 0..<channels {
            let mean = moments.sum[channel] / moments.count
            let biased = max(0, moments.squares[channel] / moments.count - mean * mean)
            let unbiased = biased * moments.count / (moments.count - 1)
            runningMean[channel] += BatchNorm.momentum * (Float(mean) - runningMean[channel])
            runningVariance[channel] += BatchNorm.momentum * (Float(unbiased) - runningVariance[channel])
        }
        parameters.values(of: tracked)[0] += 1
    }
}
