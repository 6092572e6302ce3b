import Tensors

/// A convolution, plain or of experts, with the batch norm behind it, an optional addition and an optional ReLU:
/// y = ReLU(BN(conv(x)) + addend), or, where there is no batch norm, ReLU(conv(x) + addend).
///
/// Folded (frozen attacks), the batch norm's factor goes into the filters, of every expert alike, and its shift into
/// the convolution's epilogue; the result is the same up to rounding. Functions take the same layer of several experts at
/// once, `[layer][shard]`, so that those share one sum over the global batch.
struct NormalizedConvolution {
    /// The operation in front of the batch norm.
    enum Operation {
        case plain(ConvolutionBank)
        // Its router may hold convolutions in turn.
        indirect case experts(ExpertConvolution)
    }
    let path: String
    let operation: Operation
    /// The batch norm; layers that advance together all have one, or none.
    let norm: BatchNorm?
    /// Where its channels lie among those that are added to them, rising, where it was pruned; nil means one by one.
    var places: [Int]?

    struct Tape {
        /// The input of every shard.
        let x: [Tensor]
        /// What the convolution gave; empty when folded, and without a batch norm.
        let raw: [Tensor]
        /// What the batch norm did; when folded, what was folded, once for all shards; empty without one.
        let coefficients: [BatchNorm.Coefficients]
        let experts: ExpertConvolution.Tape?
        /// What came out and what was added to it, where slabs that are folded, or have no batch norm, need it for their scores.
        var folded: (y: [Tensor], addends: [Tensor]?)?
    }

    static func forward(
        _ layers: [NormalizedConvolution], _ x: [[Tensor]], addends: [[Tensor]]? = nil, rectifies: Bool, _ pass: Pass
    ) throws -> (y: [[Tensor]], tapes: [Tape]) {
        guard let addends, layers.contains(where: { $0.places != nil }) else {
            return try alignedForward(layers, x, addends: addends, rectifies: rectifies, pass)
        }
        let (narrow, tapes) = try alignedForward(layers, x, rectifies: false, pass)
        let y = layers.indices.map { layer in
            zip(narrow[layer], addends[layer]).map { narrow, addend in
                ChannelScatter.add(narrow, at: layers[layer].places, to: addend, rectifies: rectifies)
            }
        }
        return (y, tapes)
    }

    private static func alignedForward(
        _ layers: [NormalizedConvolution], _ x: [[Tensor]], addends: [[Tensor]]? = nil, rectifies: Bool, _ pass: Pass
    ) throws -> (y: [[Tensor]], tapes: [Tape]) {
        var outputs: [[Tensor]] = []
        var tapes: [Tape] = []
        let norms = layers.compactMap(\.norm)
        if pass.folds || norms.isEmpty {
            for (index, layer) in layers.enumerated() {
                let (y, tape) = try layer.directForward(x[index], addends?[index], rectifies: rectifies, pass)
                try pass.check(y, after: layer.path)
                outputs.append(y)
                tapes.append(tape)
            }
            return (outputs, tapes)
        }
        var raws: [[Tensor]] = []
        var moments: [[ChannelMoments]] = []
        var experts: [ExpertConvolution.Tape?] = []
        for (index, layer) in layers.enumerated() {
            let (raw, layerMoments, tape) = try layer.convolve(x[index], norms[index], pass)
            try pass.check(raw, after: layer.path)
            raws.append(raw)
            moments.append(layerMoments)
            experts.append(tape)
        }
        let coefficients = try BatchNorm.coefficients(norms, moments, shards: x.first?.count ?? 0, pass)
        for index in layers.indices {
            outputs.append(
                raws[index].indices.map { shard in
                    let y = Tensor(like: raws[index][shard])
                    let known = coefficients[index][shard]
                    ChannelOperations.affine(
                        raws[index][shard], scale: known.scale, shift: known.shift, addend: addends?[index][shard],
                        rectifies: rectifies, into: y)
                    return y
                })
            tapes.append(
                Tape(x: x[index], raw: raws[index], coefficients: coefficients[index], experts: experts[index]))
        }
        return (outputs, tapes)
    }

    /// The output as the convolution's epilogue gives it: the batch norm, if there is one, is folded.
    private func directForward(
        _ x: [Tensor], _ addends: [Tensor]?, rectifies: Bool, _ pass: Pass
    ) throws -> (y: [Tensor], tape: Tape) {
        let folded = norm?.runningCoefficients(pass.parameters)
        switch operation {
        case .plain(let convolution):
            let y = x.indices.map {
                convolution.forward(
                    x[$0], shard: $0, scale: folded?.scale, shift: folded?.shift, addend: addends?[$0],
                    rectifies: rectifies, pass)
            }
            let outputs = convolution.isMixture ? (y, addends) : nil
            return (y, Tape(x: x, raw: [], coefficients: folded.map { [$0] } ?? [], experts: nil, folded: outputs))
        case .experts(let mixture):
            let (sums, tape) = try mixture.forward(x, scale: folded?.scale, pass)
            if folded != nil || addends != nil || rectifies {
                let channels = sums.first?.channels ?? 0
                let ones = [Float](repeating: 1, count: channels)
                let shift = folded?.shift ?? [Float](repeating: 0, count: channels)
                for shard in x.indices {
                    ChannelOperations.affine(
                        sums[shard], scale: ones, shift: shift, addend: addends?[shard], rectifies: rectifies,
                        into: sums[shard])
                }
            }
            return (sums, Tape(x: x, raw: [], coefficients: folded.map { [$0] } ?? [], experts: tape))
        }
    }

    private func convolve(
        _ x: [Tensor], _ norm: BatchNorm, _ pass: Pass
    ) throws -> (raw: [Tensor], moments: [ChannelMoments], tape: ExpertConvolution.Tape?) {
        let needsMoments = pass.normalization(of: norm) != .running
        // The same on all ranks, and near the mean once a few batches were seen.
        let center = Array(pass.parameters.values(of: norm.mean))
        switch operation {
        case .plain(let convolution):
            if !needsMoments { return (x.indices.map { convolution.forward(x[$0], shard: $0, pass) }, [], nil) }
            let results = x.indices.map {
                convolution.forwardWithMoments(x[$0], shard: $0, center: center, pass)
            }
            return (results.map(\.y), results.map(\.moments), nil)
        case .experts(let mixture):
            let (raw, tape) = try mixture.forward(x, scale: nil, pass)
            if !needsMoments { return (raw, [], tape) }
            let moments = raw.map { tensor in
                let sums = ChannelOperations.moments(tensor, center: center)
                return ChannelMoments(count: tensor.images * tensor.pixels, sums, around: center)
            }
            return (raw, moments, tape)
        }
    }

    /// Carries gradients back through the same layer of several experts.
    ///
    /// `g` is the gradient behind the addition, already gated by the layer's own ReLU.
    ///
    /// - Parameters:
    ///   - addends: Added to the gradient of the input before it is masked.
    ///   - masksInput: The input is a ReLU's output: keeps its gradient only where the input is positive.
    ///   - wantsInput: Whether the gradient of the input is computed at all.
    /// - Returns: The gradient of the input, empty if not wanted. Parameter gradients are added unless nil.
    static func backward(
        _ layers: [NormalizedConvolution], _ g: [[Tensor]], _ tapes: [Tape], addends: [[Tensor]]? = nil,
        masksInput: Bool, wantsInput: Bool = true, _ pass: Pass, into gradients: GradientAccumulator?
    ) throws -> [[Tensor]] {
        let norms = layers.compactMap(\.norm)
        let g = zip(layers, g).map { layer, g in
            layer.places.map { places in g.map { ChannelScatter.gather($0, at: places) } } ?? g
        }
        precondition(!pass.folds || gradients == nil, "folded filters have no weight gradients")
        let dRaw =
            pass.folds || norms.isEmpty
            ? g
            : try BatchNorm.backward(
                norms, g, inputs: tapes.map(\.raw), tapes.map(\.coefficients), pass, into: gradients)
        return try layers.indices.map { index in
            try layers[index].backwardConvolution(
                dRaw[index], tapes[index], addends: addends?[index], masksInput: masksInput, wantsInput: wantsInput,
                pass, into: gradients)
        }
    }

    private func backwardConvolution(
        _ dRaw: [Tensor], _ tape: Tape, addends: [Tensor]?, masksInput: Bool, wantsInput: Bool, _ pass: Pass,
        into gradients: GradientAccumulator?
    ) throws -> [Tensor] {
        let scale = pass.folds ? tape.coefficients.first?.scale : nil
        if case .experts(let mixture) = operation, let experts = tape.experts {
            return try mixture.backward(
                dRaw, tape.x, experts, scale: scale, addends: addends, masksInput: masksInput, wantsInput: wantsInput,
                pass, into: gradients)
        }
        guard case .plain(let convolution) = operation else { return [] }
        for shard in dRaw.indices where convolution.isMixture {
            convolution.noteScores(
                dRaw[shard], tape.folded?.y[shard] ?? tape.raw[shard],
                shift: pass.folds ? tape.coefficients.first?.shift : nil, addend: tape.folded?.addends?[shard],
                shard: shard, pass)
        }
        if let gradients {
            for shard in dRaw.indices {
                convolution.addWeightGradient(tape.x[shard], dRaw[shard], into: gradients, shard: shard, pass)
            }
        }
        if !wantsInput { return [] }
        return dRaw.indices.map { shard in
            convolution.inputGradient(
                dRaw[shard], like: tape.x[shard], shard: shard, scale: scale, addend: addends?[shard],
                mask: masksInput ? tape.x[shard] : nil, pass)
        }
    }
}
