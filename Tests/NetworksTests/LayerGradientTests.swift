import Tensors
import Testing

@testable import Networks

/// Central-difference checks of the layers.
///
/// Batch-norm shifts of +8 and −8 by channel keep every unit far from its
/// kink, some on and some off, so that masks are checked as well.
@Suite("Gradients of layers")
struct LayerGradientTests {
    /// Shifts by channel: three of four channels are on.
    static func setShifts(_ bench: LayerBench, on: Float = 8, off: Float = -8) {
        for slot in bench.parameters.slots where slot.isShift {
            bench.parameters.update {
                let values = $0.values(of: slot)
                for channel in values.indices { values[channel] += channel % 4 == 3 ? off : on }
            }
        }
    }

    /// Filters small, batch norms with factors around 0.8, statistics off their defaults.
    static func drawParameters(_ bench: LayerBench) {
        bench.parameters.initialize(seed: 3)
        bench.draw(4) { slot in
            if slot.name.contains("running_mean") { return (0, 0.4) }
            if slot.name.contains("running_var") { return (1, 0.4) }
            if case .counter = slot.layout { return (0, 0) }
            if case .convolution = slot.layout { return (0, 0.4) }
            if slot.name.contains("bn"), slot.name.hasSuffix("weight") { return (0.8, 0.3) }
            return (0, 0.5)
        }
    }

    @Test(
        "convolution: filter and input",
        arguments: [(3, 1, 3, 5), (3, 2, 4, 6), (1, 1, 5, 3), (1, 2, 4, 8), (3, 1, 16, 16)])
    func convolution(_ kernel: Int, _ stride: Int, _ inputs: Int, _ outputs: Int) throws {
        let bench = LayerBench()
        let layer = Convolution(
            "conv", inputs: inputs, outputs: outputs, kernel: kernel, stride: stride, bench.parameters,
            .heNormal(fan: 9), owner: nil)
        bench.parameters.initialize(seed: 1)
        let x = bench.random([2, 7, 6, inputs], 1)
        let c = bench.randomLike(layer.forward(x, bench.pass()), 2)
        let gradients = Gradients(bench.parameters)
        layer.addWeightGradient(x, c, into: gradients.unbalanced, shard: 0, bench.pass())
        let dx = layer.inputGradient(c, like: x, bench.pass())
        try GradientCheck().check(bench.variables(gradients) + [bench.input(x, dx)]) {
            projection(layer.forward(x, bench.pass()), c)
        }
    }

    @Test(
        "batch norm: weight, bias and input of two shards of unlike sizes",
        arguments: [Normalization.running, .local, .synchronized])
    func batchNorm(_ normalization: Normalization) throws {
        let bench = LayerBench()
        let norms = [
            BatchNorm("a.bn", channels: 5, bench.parameters, owner: nil),
            BatchNorm("b.bn", channels: 3, bench.parameters, owner: nil),
        ]
        Self.drawParameters(bench)
        let x = [
            [bench.random([3, 4, 5, 5], 1, shift: 0.7), bench.random([1, 4, 5, 5], 2, shift: -0.5)],
            [bench.random([2, 3, 3, 3], 3), bench.random([4, 3, 3, 3], 4, shift: 1)],
        ]
        let c = x.map { $0.map { bench.randomLike($0, UInt64($0.count)) } }
        func forward() throws -> ([[Tensor]], [[BatchNorm.Coefficients]]) {
            let moments = x.map {
                $0.map { tensor -> ChannelMoments in
                    let center = [Float](repeating: 0.3, count: tensor.channels)
                    let sums = ChannelOperations.moments(tensor, center: center)
                    return ChannelMoments(count: tensor.images * tensor.pixels, sums, around: center)
                }
            }
            let known = try BatchNorm.coefficients(norms, moments, shards: 2, bench.pass(normalization))
            let y = x.indices.map { layer in
                x[layer].indices.map { shard in
                    let y = Tensor(like: x[layer][shard])
                    ChannelOperations.affine(
                        x[layer][shard], scale: known[layer][shard].scale, shift: known[layer][shard].shift, into: y)
                    return y
                }
            }
            return (y, known)
        }
        let (_, known) = try forward()
        let gradients = Gradients(bench.parameters, shards: 2)
        let dx = try BatchNorm.backward(
            norms, c, inputs: x, known, bench.pass(normalization), into: gradients.unbalanced)
        let inputs = (0..<2).flatMap { layer in
            (0..<2).map { bench.input(x[layer][$0], dx[layer][$0], "input \(layer) of shard \($0)") }
        }
        try GradientCheck().check(bench.variables(gradients) + inputs) {
            let (y, _) = try forward()
            return projection(y[0], c[0]) + projection(y[1], c[1])
        }
        let attack = try BatchNorm.backward(norms, c, inputs: x, known, bench.pass(normalization), into: nil)
        for layer in 0..<2 {
            for shard in 0..<2 { #expect(attack[layer][shard].toArray() == dx[layer][shard].toArray()) }
        }
    }

    @Test(
        "residual block with and without shortcut",
        arguments: [NetworkSettings.Block.basic, .bottleneck(widening: 1), .bottleneck(widening: 2)].flatMap { kind in
            [1, 2].map { (kind, $0) }
        }, [Normalization.running, .local, .synchronized])
    func residualBlock(_ shape: (NetworkSettings.Block, Int), _ normalization: Normalization) throws {
        let (kind, stride) = shape
        let bench = LayerBench()
        let settings = NetworkSettings(blocks: [1], width: 8, channels: 3, classes: 2, mean: [0], deviation: [1])
        let block = try NetworkBuilder(settings, bench.parameters).residualBlock(
            "block", kind, inputs: 8, channels: 8 * stride / kind.expansion, stride: stride)
        #expect((block.downsample != nil) == (stride == 2))
        Self.drawParameters(bench)
        // A unit that is off must outweigh the shortcut.
        Self.setShifts(bench, off: -20)
        // Positive inputs, as behind a ReLU.
        let x = [bench.random([2, 6, 5, 8], 1), bench.random([1, 6, 5, 8], 2)]
        for tensor in x {
            for index in 0..<tensor.count { tensor.pointer[index] = abs(tensor.pointer[index]) + 0.5 }
        }
        try bench.adoptStatistics { _ = try ResidualBlock.forward([block], [x], $0) }
        let (y, tapes) = try ResidualBlock.forward([block], [x], bench.pass(normalization))
        let dead = y[0][0].elements.filter { $0 == 0 }.count
        #expect(dead * 4 == y[0][0].count, "one channel of four is off, the others on")
        let c = y[0].map { bench.randomLike($0, 9) }
        // The gradient that reaches a block is gated by its output.
        let g = zip(c, y[0]).map { c, y in
            let g = Tensor(like: c)
            g.copy(from: c)
            ChannelOperations.gate(g, by: y)
            return g
        }
        let gradients = Gradients(bench.parameters, shards: 2)
        let dx = try ResidualBlock.backward(
            [block], [g], tapes, masksInput: true, bench.pass(normalization), into: gradients.unbalanced)[0]
        var check = GradientCheck(step: 0.01)
        // A shift in front of a 1×1 convolution and the next batch norm has no effect, and a gradient of rounding alone.
        check.noise = 4e-7 * y[0].reduce(0) { $0 + projection($1, $1) }.squareRoot()
        try check.check(
            bench.variables(gradients) + x.indices.map { bench.input(x[$0], dx[$0], "input \($0)") }
        ) {
            projection(try ResidualBlock.forward([block], [x], bench.pass(normalization)).y[0], c)
        }
    }

    @Test("the gradient of a block's input is kept only where the input is positive")
    func inputIsMasked() throws {
        let bench = LayerBench()
        let settings = NetworkSettings(blocks: [1], width: 4, channels: 3, classes: 2, mean: [0], deviation: [1])
        let block = try NetworkBuilder(settings, bench.parameters).residualBlock(
            "block", .basic, inputs: 4, channels: 4, stride: 1)
        Self.drawParameters(bench)
        let x = bench.random([2, 4, 4, 4], 1)
        for index in 0..<x.count { x.pointer[index] = max(0, x.pointer[index]) }
        let (y, tapes) = try ResidualBlock.forward([block], [[x]], bench.pass())
        let g = bench.randomLike(y[0][0], 5)
        func backward(_ masks: Bool) throws -> [Float] {
            try ResidualBlock.backward([block], [[g]], tapes, masksInput: masks, bench.pass(), into: nil)[0][0]
                .toArray()
        }
        let (masked, whole) = try (backward(true), backward(false))
        #expect(whole.allSatisfy { $0 != 0 })
        for index in 0..<x.count { #expect(masked[index] == (x.pointer[index] > 0 ? whole[index] : 0)) }
    }

    @Test("classifier: weights, biases and input, with and without a mask", arguments: [1, 2])
    func classifier(_ side: Int) throws {
        let bench = LayerBench()
        func linear(_ path: String, side: Int, channels: Int, outputs: Int, bias: Float) -> Linear {
            Linear(
                path, side: side, channels: channels, outputs: outputs, bench.parameters,
                weight: .normal(deviation: 0.4), bias: .constant(bias))
        }
        // Hidden units on and off, far from their kinks.
        let layers =
            side == 1
            ? [linear("fc", side: 1, channels: 6, outputs: 5, bias: 0.5)]
            : [
                linear("on", side: side, channels: 6, outputs: 4, bias: 9),
                linear("off", side: 1, channels: 4, outputs: 5, bias: 60),
                linear("last", side: 1, channels: 5, outputs: 5, bias: 0),
            ]
        let layer = Classifier(side: side, layers: layers)
        bench.parameters.initialize(seed: 2)
        for slot in bench.parameters.slots where slot.name == "off.bias" {
            bench.parameters.update { $0.values(of: slot)[2] = -60 }
        }
        let x = [bench.random([3, 4, 3, 6], 1), bench.random([2, 4, 3, 6], 2)]
        for tensor in x {
            for index in 0..<tensor.count where index % 6 == 2 { tensor.pointer[index] = 0 }
        }
        let (logits, tape) = layer.forward(x, bench.pass())
        let c = logits.map { bench.randomLike($0, 3) }
        let gradients = Gradients(bench.parameters, shards: 2)
        let dx = layer.backward(c, tape, masksInput: false, bench.pass(), into: gradients.unbalanced)
        try GradientCheck().check(
            bench.variables(gradients) + x.indices.map { bench.input(x[$0], dx[$0], "input \($0)") }
        ) {
            projection(layer.forward(x, bench.pass()).logits, c)
        }
        let masked = layer.backward(c, tape, masksInput: true, bench.pass(), into: nil)
        for shard in x.indices {
            for index in 0..<x[shard].count {
                #expect(masked[shard].pointer[index] == (x[shard].pointer[index] > 0 ? dx[shard].pointer[index] : 0))
            }
        }
    }

    @Test("cross entropy: value and gradient of the logits")
    func crossEntropy() throws {
        let bench = LayerBench()
        bench.parameters.initialize(seed: 1)
        let logits = bench.random([5, 1, 1, 7], 1)
        let labels: [Int32] = [0, 6, 3, 3, 1]
        let (losses, dLogits) = CrossEntropy.evaluate(logits, labels, divisor: 12)
        for image in 0..<5 {
            let row = logits.slice(image..<image + 1).elements.map { Double($0) }
            let sum = row.reduce(0) { $0 + exponential($1) }
            #expect(abs(losses[image] + logarithm(exponential(row[Int(labels[image])]) / sum)) < 1e-6)
        }
        try GradientCheck().check([bench.input(logits, dLogits)]) {
            CrossEntropy.evaluate(logits, labels, divisor: 12).losses.reduce(0, +) / 12
        }
    }

    @Test("cross entropy stays finite at logits of ±1000, and NaN is no prediction")
    func crossEntropyIsRobust() {
        let bench = LayerBench()
        let logits = bench.random([3, 1, 1, 3], 1)
        for (index, value) in [1000, -1000, 0, -1000, 1000, 1000, .nan, 2, 3].enumerated() {
            logits.pointer[index] = Float(value)
        }
        let (losses, dLogits) = CrossEntropy.evaluate(logits.slice(0..<2), [1, 0], divisor: 1)
        #expect(losses[0] == 2000)
        #expect(abs(losses[1] - 2000.693147) < 1e-5)
        #expect(dLogits.toArray() == [1, -1, 0, -1, 0.5, 0.5])
        #expect(CrossEntropy.predictions(logits) == [0, 1, 2])
    }
}
