import Tensors
import Testing

@testable import Networks

/// Routers beside the gap-linear one, which the suites on mixtures go through.
@Suite("Routers")
struct RouterTests {
    static let kinds: [RouterKind] = [
        .gapLinear, .convGap(kernel: 1), .convGap(kernel: 3), .doubleConvGap(kernel: 1), .fixedProjection,
        .firstChannels,
    ]

    private func router(_ kind: RouterKind, experts: Int, inputs: Int, _ bench: LayerBench) -> Router {
        // Plain weights of all experts turn the router into its softmax.
        let gate = Gate(topK: experts, isStraightThrough: false, renormalizes: false)
        let settings = RouterSettings(kind: kind, experts: experts, gate: gate, balance: .entropy, balanceWeight: 2)
        return Router("moe", inputs: inputs, settings, bench.parameters)
    }

    @Test(
        "parameters and input, by central differences", arguments: kinds + [.doubleConvGap(kernel: 3)],
        [Normalization.running, .local, .synchronized])
    func gradients(_ kind: RouterKind, _ normalization: Normalization) throws {
        let bench = LayerBench()
        let (experts, inputs) = (4, 6)
        let router = router(kind, experts: experts, inputs: inputs, bench)
        bench.parameters.initialize(seed: 8)
        bench.draw(9) { slot in
            if slot.name.hasSuffix("running_var") { return (1, 0.4) }
            if slot.name.hasSuffix("bn1.weight") { return (0.8, 0.3) }
            if case .counter = slot.layout { return (0, 0) }
            return (0, 0.6)
        }
        let x = [bench.random([3, 5, 6, inputs], 1, shift: 0.3), bench.random([2, 5, 6, inputs], 2)]
        let c = x.map { bench.random([$0.images, 1, 1, experts], 3) }
        func forward() throws -> (Router.Tape, BalanceTerms, Double) {
            let record = PassRecord()
            let statistics = Array(bench.parameters.statistics)
            let tape = try router.forward(x, bench.pass(normalization, record))
            let settled = try record.settle(extra: [[], []], SoloStatistics(), bench.parameters).settled
            bench.parameters.update([]) { _ = $0.statistics.update(from: statistics) }
            let value = x.indices.reduce(0.0) { sum, shard in
                sum + zip(tape.scores[shard], c[shard].elements).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
            return (tape, settled.balance, value + settled.routers.reduce(0) { $0 + $1.balanceLoss })
        }
        let (tape, balance, _) = try forward()
        let dWeights = x.indices.map { shard in
            tape.routes[shard].experts.enumerated().map { c[shard].pointer[$0 / experts * experts + $1] }
        }
        let gradients = Gradients(bench.parameters, shards: 2)
        let old = x.map { bench.randomLike($0, 30) }
        let added = old.map { tensor in
            let copy = Tensor(like: tensor)
            copy.copy(from: tensor)
            return copy
        }
        let dx = try router.backward(
            dWeights, tape, x, adding: added, masksInput: false, bench.pass(normalization),
            into: GradientAccumulator(gradients, balance))
        let own = zip(dx, old).map { sum, before in zip(sum.elements, before.elements).map { $0 - $1 } }
        try GradientCheck(step: 0.01).check(
            bench.variables(gradients)
                + x.indices.map { .init("input \($0)", x[$0], gradient: own[$0]) }
        ) { try forward().2 }

        // Without a wish for the input's gradient, the parameters get the same one.
        let others = Gradients(bench.parameters, shards: 2)
        let none = try router.backward(
            dWeights, tape, x, adding: nil, masksInput: true, bench.pass(normalization),
            into: GradientAccumulator(others, balance))
        #expect(none.isEmpty)
        for slot in bench.parameters.slots where !slot.isStatistic {
            #expect(others.total(of: slot) == gradients.total(of: slot), "\(slot.name)")
        }
    }

    @Test("the gradient is kept where the input is positive", arguments: kinds)
    func masks(_ kind: RouterKind) throws {
        let bench = LayerBench()
        let router = router(kind, experts: 3, inputs: 5, bench)
        bench.parameters.initialize(seed: 2)
        let x = bench.random([2, 4, 4, 5], 1)
        for index in 0..<x.count { x.pointer[index] = max(0, x.pointer[index]) }
        let tape = try router.forward([x], bench.pass())
        func backward(_ masks: Bool) throws -> [Float] {
            try router.backward(
                [[1, 2, 3, -1, 5, 2]], tape, [x], adding: [bench.random([2, 4, 4, 5], 2)], masksInput: masks,
                bench.pass(), into: nil)[0].toArray()
        }
        let (masked, whole) = try (backward(true), backward(false))
        for index in 0..<x.count { #expect(masked[index] == (x.pointer[index] > 0 ? whole[index] : 0)) }
    }

    @Test("folded passes give the scores and gradients of unfolded ones")
    func folding() throws {
        let bench = LayerBench()
        let router = router(.doubleConvGap(kernel: 3), experts: 3, inputs: 4, bench)
        bench.parameters.initialize(seed: 2)
        bench.draw(9) { slot in slot.name.hasSuffix("running_var") ? (1, 0.4) : (0.3, 0.6) }
        let x = bench.random([3, 6, 6, 4], 1)
        func run(_ folds: Bool) throws -> (scores: [Float], dx: [Float]) {
            var pass = bench.pass()
            pass.folds = folds
            let tape = try router.forward([x], pass)
            let dWeights = (0..<9).map { Float($0) - 4 }
            return (
                tape.scores[0],
                try router.backward(
                    [dWeights], tape, [x], adding: [bench.zeros(like: x)], masksInput: false, pass, into: nil)[0]
                    .toArray()
            )
        }
        let (folded, plain) = try (run(true), run(false))
        for (a, b) in zip(folded.scores, plain.scores) { #expect(abs(a - b) < 1e-6) }
        #expect(distance(folded.dx, plain.dx) < 1e-5)
    }

    @Test("what has no parameters registers none; fixed vectors are stored, yet not trained")
    func slots() throws {
        func names(_ kind: RouterKind) -> [String] {
            let bench = LayerBench()
            _ = router(kind, experts: 3, inputs: 5, bench)
            #expect(bench.parameters.slots.allSatisfy { $0.group == .router })
            return bench.parameters.slots.map { "\($0.isStatistic ? "fixed " : "")\($0.name) \($0.layout.shape)" }
        }
        #expect(names(.firstChannels).isEmpty && names(.random).isEmpty)
        #expect(names(.fixedProjection) == ["fixed moe.router.projection [3, 5]"])
        #expect(names(.convGap(kernel: 3)) == ["moe.router.weight [3, 5, 3, 3]"])
        #expect(names(.gapLinear) == ["moe.router.weight [3, 5]", "moe.router.bias [3]"])
        #expect(
            names(.doubleConvGap(kernel: 1)) == [
                "moe.router.conv1.weight [8, 5, 1, 1]", "moe.router.bn1.weight [8]", "moe.router.bn1.bias [8]",
                "fixed moe.router.bn1.running_mean [8]", "fixed moe.router.bn1.running_var [8]",
                "fixed moe.router.bn1.num_batches_tracked []", "moe.router.conv2.weight [3, 8, 1, 1]",
            ])
    }

    @Test("random routes: of the sample alone in evaluation, of step and sample in training, evenly spread")
    func random() throws {
        let bench = LayerBench()
        let settings = RouterSettings(
            kind: .random, experts: 4, gate: GateCase.straightThrough.gate, balance: .none, balanceWeight: 0)
        let routers = ["a", "b"].map { path in
            let router = Router(path, inputs: 2, settings, bench.parameters)
            _ = bench.parameters.register("\(path).weight", .vector(20), .constant(0))
            return router
        }
        bench.parameters.initialize(seed: 1)
        let x = bench.random([400, 1, 1, 2], 1)
        func experts(_ layer: Int, _ samples: Range<Int>, step: Int? = nil, seed: UInt64 = 1) throws -> [Int] {
            var pass = bench.pass(samples: [Array(samples)])
            pass.routing = .learned(step.map { TrainingRouting(seed: seed, step: $0) })
            return try routers[layer].forward([x.slice(0..<samples.count)], pass).routes[0].experts
        }
        let evaluated = try experts(0, 0..<400)
        #expect(try experts(0, 0..<400) == evaluated)
        #expect(try experts(0, 100..<110) == Array(evaluated[100..<110]))
        #expect(try experts(1, 0..<400) != evaluated)
        let first = try experts(0, 0..<400, step: 1)
        #expect(try experts(0, 0..<400, step: 2) != first)
        #expect(try experts(0, 0..<400, step: 1, seed: 2) != first)
        #expect(try experts(0, 0..<400, step: 1) == first)
        // 100 expected; six deviations of √(400 · 1/4 · 3/4).
        for expert in 0..<4 { #expect(abs(evaluated.count { $0 == expert } - 100) < 52) }
    }

    @Test(
        "a router that does not fit its map is an error that says where and why",
        arguments: [
            (RouterKind.convGap(kernel: 3), 8, "layer4.0.conv2", "3x3"),
            (.doubleConvGap(kernel: 3), 16, "layer3.0", "5x5"),
        ])
    func tooLarge(_ kind: RouterKind, _ side: Int, _ path: String, _ needed: String) {
        func build(_ side: Int) throws {
            let router = RouterSettings(
                kind: kind, experts: 2, gate: GateCase.straightThrough.gate, balance: .entropy, balanceWeight: 1)
            let settings = NetworkSettings(
                blocks: [1, 1, 1, 1], width: 4, channels: 3, imageSize: MapSize(height: side, width: side), classes: 2,
                mean: [0, 0, 0], deviation: [1, 1, 1],
                mixture: MixtureSettings(
                    kind: path == "layer3.0" ? .block : .conv, placement: Placement([path]), includesDownsample: true,
                    router: router))
            _ = try Network(settings, registering: Parameters())
        }
        #expect(throws: Never.self) { try build(4 * side) }
        do {
            try build(side / 2)
            Issue.record("a map that is too small was accepted")
        } catch {
            #expect("\(error)".contains(path) && "\(error)".contains(needed), "\(error)")
        }
    }

    @Test("more experts than channels have no first channels")
    func tooFewChannels() {
        let router = RouterSettings(
            kind: .firstChannels, experts: 9, gate: GateCase.straightThrough.gate, balance: .entropy, balanceWeight: 1)
        let settings = NetworkSettings(
            blocks: [1, 1], width: 8, channels: 3, classes: 2, mean: [0], deviation: [1],
            mixture: MixtureSettings(
                kind: .conv, placement: Placement(["layer2.0.conv1"]), includesDownsample: true, router: router))
        do {
            _ = try Network(settings, registering: Parameters())
            Issue.record("nine experts of eight channels were accepted")
        } catch {
            #expect("\(error)".contains("layer2.0.conv1") && "\(error)".contains("at most 8"), "\(error)")
        }
    }
}
