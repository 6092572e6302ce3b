import Tensors
import TestSupport
import Testing

@testable import Networks

/// Numbers that a run of the reference implementation gave (robust-sparse-moes, printed to seven digits).
@Suite("Golden numbers")
struct GoldenNumberTests {
    static let routerWeight: [[Float]] = [[0.1, -0.2], [0.3, 0.4], [-0.5, 0.6]]
    static let routerBias: [Float] = [0.01, 0.02, 0.03]
    static let scores: [[Float]] = [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25]]

    private func expectClose(
        _ found: some Sequence<Float>, _ known: [Double], within bound: Double = 3e-7,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let found = Array(found)
        #expect(found.count == known.count, sourceLocation: sourceLocation)
        for (value, exact) in zip(found, known) {
            #expect(abs(Double(value) - exact) <= bound * max(1, abs(exact)), sourceLocation: sourceLocation)
        }
    }

    private static func set(_ router: Router, _ parameters: Parameters) throws {
        let slots = try router.linearSlots()
        parameters.update {
            let weight = $0.values(of: slots.weight)
            for (expert, row) in routerWeight.enumerated() {
                for (input, value) in row.enumerated() { weight[input * 3 + expert] = value }
            }
            _ = $0.values(of: slots.bias).update(from: routerBias)
        }
    }

    /// NHWC from NCHW.
    private static func tensor(_ workspace: Workspace, _ shape: [Int], _ channelsFirst: [Float]) -> Tensor {
        let result = Tensor(workspace, images: shape[0], height: shape[2], width: shape[3], channels: shape[1])
        let pixels = shape[2] * shape[3]
        for (index, value) in channelsFirst.enumerated() {
            let (plane, pixel) = index.quotientAndRemainder(dividingBy: pixels)
            let (image, channel) = plane.quotientAndRemainder(dividingBy: shape[1])
            result.pointer[(image * pixels + pixel) * shape[1] + channel] = value
        }
        return result
    }

    @Test("the gap-linear router")
    func router() throws {
        let bench = LayerBench()
        let settings = RouterSettings(
            experts: 3, gate: GateCase.straightThrough.gate, balance: .entropy, balanceWeight: 0.5)
        let router = Router("moe", inputs: 2, settings, bench.parameters)
        bench.parameters.initialize(seed: 1)
        try Self.set(router, bench.parameters)
        let x = Self.tensor(bench.workspace, [2, 2, 4, 4], (0..<64).map { Float($0) / 10 })
        let tape = try router.forward([x], bench.pass())
        expectClose(tape.scores[0], [0.0993072, 0.4773348, 0.4233580, 0.0140326, 0.8725154, 0.1134521])
        #expect(tape.routes[0].experts == [1, 1])
    }

    @Test("the conv-gap router")
    func convolutionalRouter() throws {
        let bench = LayerBench()
        let settings = RouterSettings(
            kind: .convGap(kernel: 3), experts: 3, gate: GateCase.straightThrough.gate, balance: .entropy,
            balanceWeight: 0.5)
        let router = Router("moe", inputs: 2, settings, bench.parameters)
        bench.parameters.initialize(seed: 1)
        let slot = bench.parameters.slots[0]
        bench.parameters.update {
            for (place, index) in slot.layout.memoryOrder.enumerated() {
                $0.values(of: slot)[place] = Float(index) / 100 - 0.25
            }
        }
        let x = Self.tensor(bench.workspace, [2, 2, 4, 4], (0..<64).map { Float($0) / 10 })
        let scores = try router.forward([x], bench.pass()).scores[0]
        // Logits differ by up to 30, so that relative errors of the smallest scores are those of exp.
        expectClose(scores, [4.31593e-5, 6.547888e-3, 0.9934089, 4.29e-14, 2.07113e-7, 0.9999998])
        for (score, known) in [(scores[0], 4.31593e-5), (scores[3], 4.29e-14), (scores[4], 2.07113e-7)] {
            #expect(abs(Double(score) / known - 1) < 2e-3)
        }
    }

    @Test("the top-k gate and its gradients")
    func gate() {
        let scores = Array(Self.scores.joined())
        /// Weights and score gradients, each `[images][experts]`; the upstream gradient is (3t + e) / 10.
        func run(_ gate: Gate) -> (weights: [Float], dScores: [Float]) {
            let routes = gate.weigh(scores: scores, chosen: gate.choose(scores, experts: 3), experts: 3)
            var weights = [Float](repeating: 0, count: 12)
            var upstream: [Float] = []
            for (place, expert) in routes.experts.enumerated() {
                let index = place / gate.topK * 3 + expert
                weights[index] = routes.weights[place]
                upstream.append(Float(index) / 10)
            }
            return (weights, gate.backward(upstream, scores: scores, routes, experts: 3))
        }
        let straight = run(Gate(topK: 1, isStraightThrough: true, renormalizes: true))
        #expect(straight.weights == [1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0])
        expectClose(straight.dScores, [0, 0, 0, 0.3, 0, 0, 0, 0, 0.8, 0, 1, 0])
        let two = run(Gate(topK: 2, isStraightThrough: false, renormalizes: true))
        expectClose(
            two.weights,
            [
                0.7777691, 0.2222198, 0, 0.6666592, 0.3333296, 0, 0.1111099, 0, 0.8888790, 0.3333289, 0.6666577, 0,
            ])
        expectClose(
            two.dScores,
            [
                -0.0246908, 0.0864191, 0, -0.0370325, 0.0740774, 0, -0.1975191, 0, 0.0247007, -0.0888704, 0.0444611, 0,
            ])
        let one = run(Gate(topK: 1, isStraightThrough: false, renormalizes: true))
        expectClose(one.weights, [0.9999857, 0, 0, 0.9999833, 0, 0, 0, 0, 0.9999875, 0, 0.9999800, 0])
    }

    @Test("a layer of three experts, entropy loss", arguments: [1, 2])
    func layer(_ topK: Int) throws {
        let bench = LayerBench()
        let settings = RouterSettings(
            experts: 3, gate: Gate(topK: topK, isStraightThrough: topK == 1, renormalizes: true), balance: .entropy,
            balanceWeight: 0.5)
        let router = Router("moe", inputs: 2, settings, bench.parameters)
        let experts = (0..<3).map {
            Convolution(
                "moe.experts.\($0)", inputs: 2, outputs: 2, kernel: 1, stride: 1, bench.parameters,
                .heNormal(fan: 2), owner: ExpertOwner(layer: "moe", expert: $0))
        }
        let layer = ExpertConvolution(router: router, experts: experts)
        bench.parameters.initialize(seed: 1)
        try Self.set(router, bench.parameters)
        for (expert, convolution) in experts.enumerated() {
            // OIHW [[-1.5, -0.5], [0.5, 1.5]], in memory inputs first.
            let filter = [Float(-1.5), 0.5, -0.5, 1.5].map { Float(expert + 1) / 10 * $0 }
            bench.parameters.update { _ = $0.values(of: convolution.weight).update(from: filter) }
        }
        let input: [Float] = [
            1, 2, 3, 4, -1, 0, 1, 2, -2, -1, 0, 0.5, 3, 1, -1, 2, 0.5, 0.5, 0.5, -0.5, -3, -2, -1, -2,
        ]
        let x = Self.tensor(bench.workspace, [3, 2, 2, 2], input)
        let upstream = Self.tensor(bench.workspace, [3, 2, 2, 2], (0..<24).map { Float($0) / 10 - 1 })
        let record = PassRecord()
        let pass = bench.pass(.running, record)
        let (y, tape) = try layer.forward([x], scale: nil, pass)
        let settled = try record.settle(extra: [[]], SoloStatistics(), bench.parameters).settled
        let gradients = Gradients(bench.parameters)
        let dx = try layer.backward(
            [upstream], [x], tape, scale: nil, addends: nil, masksInput: false, wantsInput: true, pass,
            into: GradientAccumulator(gradients, settled.balance))
        let slots = try router.linearSlots()

        func first(_ tensor: Tensor) -> [Float] { (0..<8).map { tensor.pointer[$0 % 4 * 2 + $0 / 4] } }
        func gradient(_ slot: Slot) -> [Float] { slot.layout.outside(gradients.arenas[0][slot.range]).map(Float.init) }
        expectClose(
            tape.router.scores[0],
            [
                0.2787454, 0.6265939, 0.0946607, 0.1444670, 0.2726124, 0.5829206, 0.6679566, 0.2136252, 0.1184183,
            ])
        #expect(abs(settled.routers[0].balanceLoss + 0.0984627) < 2e-7)
        let objective = projection(y[0], upstream) + settled.routers[0].balanceLoss
        if topK == 1 {
            expectClose(first(y[0]), [-0.2, -0.6, -1, -1.4, -0.2, 0.2, 0.6, 1])
            #expect(abs(objective - 1.2365375) < 1e-6)
            expectClose(
                gradient(slots.weight),
                [-0.8913724, 0.4048227, 1.1473919, -0.2073499, -0.2560198, -0.1974730], within: 1e-6)
            expectClose(gradient(slots.bias), [-0.6284605, 0.5688728, 0.0595876], within: 1e-6)
            expectClose(gradient(experts[0].weight), [0.6, -5.8, 1, -9], within: 1e-6)
            expectClose(gradient(experts[1].weight), [-8, -1.2, -4, -0.4], within: 1e-6)
            expectClose(gradient(experts[2].weight), [0.55, -0.5, -0.45, 1.5], within: 1e-6)
            expectClose(
                first(dx[0]),
                [
                    0.2764625, 0.2564625, 0.2364625, 0.2164625, -0.0355433, -0.0155433, 0.0044567, 0.0244567,
                ], within: 1e-6)
        } else {
            expectClose(
                first(y[0]),
                [
                    -0.1692091, -0.5076272, -0.8460454, -1.1844636, -0.1692091, 0.1692091, 0.5076272, 0.8460454,
                ])
            #expect(abs(objective - 0.6158830) < 1e-6)
            expectClose(
                gradient(slots.weight),
                [-0.4622121, -0.3731272, 0.3969951, 0.4301221, 0.0652170, -0.0569949], within: 1e-6)
            expectClose(gradient(slots.bias), [-0.0096720, -0.0072573, 0.0169293], within: 1e-6)
            expectClose(
                gradient(experts[0].weight), [-2.0084939, -4.7639565, -0.4738773, -6.9421940], within: 1e-6)
            expectClose(
                first(dx[0]),
                [
                    0.2089768, 0.1920559, 0.1751350, 0.1582141, -0.0377300, -0.0208091, -0.0038882, 0.0130327,
                ], within: 1e-6)
        }
    }

    /// The sums of scores, and the logarithms that the router would have had.
    private func sums(_ scores: [[Float]]) -> (RouterSums, [[Float]]) {
        var sums = RouterSums(experts: scores[0].count)
        let logs = scores.map { $0.map { $0 > 0 ? Float(logarithm(Double($0))) : -1000 } }
        for (row, log) in zip(scores, logs) { sums.add(scores: row[...], logScores: log[...]) }
        return (sums, logs)
    }

    @Test("the switch loss")
    func switchLoss() {
        let (sums, logs) = sums(Self.scores)
        #expect(abs(BalanceLoss.switchLoss.value(sums) - 0.0593750) < 1e-7)
        for row in logs {
            let gradient = BalanceLoss.switchLoss.scoreGradient(scores: [0, 0, 0], logScores: row[...], sums)
            #expect(gradient == [0.375, 0.1875, 0.1875])
        }
    }

    @Test("the variance loss: the switch loss and 1 less the mean deviation")
    func varianceLoss() throws {
        let (sums, logs) = sums(Self.scores)
        #expect(abs(BalanceLoss.variance.value(sums) - 0.7969313) < 1e-7)
        let step = 1e-3
        for (image, row) in Self.scores.enumerated() {
            let gradient = BalanceLoss.variance.scoreGradient(
                scores: row[...], logScores: logs[image][...], sums)
            for expert in 0..<3 {
                func value(_ change: Double) -> Double {
                    var scores = Self.scores
                    scores[image][expert] += Float(change)
                    // The largest score stays where it is.
                    return BalanceLoss.variance.value(self.sums(scores).0)
                }
                #expect(abs((value(step) - value(-step)) / (2 * step) - gradient[expert]) < 1e-4)
            }
        }
    }

    @Test("the column-entropy loss")
    func columnEntropyLoss() {
        let (sums, logs) = sums(Self.scores)
        #expect(abs(BalanceLoss.columnEntropy.value(sums) + 1.0837818) < 1e-7)
        for (row, logs) in zip(Self.scores, logs) {
            let gradient = BalanceLoss.columnEntropy.scoreGradient(
                scores: row[...], logScores: logs[...], sums)
            for (found, known) in zip(gradient, [0.0286202, -0.0727460, -0.0407877]) {
                #expect(abs(found - known) < 1e-7)
            }
        }
    }

    @Test("the variance of experts' mean outputs")
    func outputVariance() {
        let bench = LayerBench()
        let results = [bench.random([2, 1, 2, 3], 1), bench.random([0, 1, 2, 3], 2), bench.random([1, 1, 2, 3], 3)]
        results[0].fill(0.3)
        results[2].fill(-0.6)
        let outputs = ExpertOutputs(results)
        // Means 0.3, 0 (no image), −0.6: variance 0.21.
        #expect(abs(outputs.loss - (1 - (0.21 + 1e-4).squareRoot())) < 1e-7)
        let gradient = outputs.gradient
        // ∂/∂mean = −(mean − m̄)/(2 √…), spread over twelve and six elements.
        let root = (0.21 + 1e-4).squareRoot()
        for (found, known) in zip(gradient, [-0.4 / (2 * root) / 12, 0, 0.5 / (2 * root) / 6]) {
            #expect(abs(found - known) < 1e-7)
        }
        results[2].fill(-3)
        #expect(ExpertOutputs(results).loss == 0 && ExpertOutputs(results).gradient == [0, 0, 0])
        #expect(abs(ExpertOutputs([results[0]]).loss - 0.99) < 1e-12)
    }

    @Test("the entropy loss")
    func entropyLoss() {
        let (sums, logs) = sums(Self.scores)
        #expect(abs(BalanceLoss.entropy.value(sums) + 0.2391526) < 1e-7)
        let gradient = BalanceLoss.entropy.scoreGradient(scores: Self.scores[0][...], logScores: logs[0][...], sums)
        // The reference's gradient has the terms −1 and +1 of both entropies, which cancel.
        for (found, known) in zip(gradient, [-0.1322110, 0.0796134, 0.2848586]) { #expect(abs(found - known) < 2e-7) }
    }

    @Test(
        "the entropy loss along the reference's plot", arguments: [(0, -0.6931472), (74, -0.4860928), (98, -0.5473916)])
    func entropyPlot(_ index: Int, _ known: Double) {
        let angle = Double.pi / 2 * Double(index) / 99
        let row = [Float(cosine(angle)), Float(sine(angle))]
        let (sums, _) = sums([[0, 1], [0, 1], row, [1, 0]])
        #expect(abs(BalanceLoss.entropy.value(sums) - known) < 2e-7)
    }

    @Test("losses of balanced and collapsed routes have their known values")
    func extremes() {
        let (balanced, _) = sums([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
        #expect(abs(BalanceLoss.switchLoss.value(balanced)) < 1e-12)
        #expect(abs(BalanceLoss.entropy.value(balanced) + logarithm(3)) < 1e-12)
        let (collapsed, _) = sums([[1, 0, 0], [1, 0, 0]])
        #expect(BalanceLoss.switchLoss.value(collapsed) == 2)
        #expect(BalanceLoss.entropy.value(collapsed) == 0)
        #expect(BalanceLoss.none.value(collapsed) == 0)
    }
}
