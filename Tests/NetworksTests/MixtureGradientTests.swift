import Tensors
import Testing

@testable import Networks

/// Central-difference checks of routers, balancing losses and both kinds of expert layers; routes must not change
/// while values are varied, and straight-through gates are differenced through their surrogate 1 + s − s₀.
@Suite("Gradients of mixtures")
struct MixtureGradientTests {
    static let losses: [BalanceLoss] = BalanceLoss.allCases

    static func settings(_ test: GateCase, _ loss: BalanceLoss, experts: Int = 3) -> RouterSettings {
        // A heavy loss, so that its gradient is not lost beside that of the projection.
        RouterSettings(experts: experts, gate: test.gate, balance: loss, balanceWeight: 40, varianceWeight: 20)
    }

    @Test("router and balancing losses: weight, bias and input", arguments: GateCase.all, losses)
    func router(_ test: GateCase, _ loss: BalanceLoss) throws {
        let bench = LayerBench()
        // Plain weights of all experts turn the router into its softmax; other gates have a test of their own.
        let experts = 4
        let all = Gate(
            topK: experts, isStraightThrough: false, renormalizes: test.gate.renormalizes && test.gate.topK > 1)
        let router = Router(
            "moe", inputs: 6,
            RouterSettings(experts: experts, gate: all, balance: loss, balanceWeight: 2), bench.parameters)
        bench.parameters.initialize(seed: 8)
        let x = bench.separableImages([3, 2], channels: 6, experts: experts)
        try bench.separate(router)
        let c = x.map { bench.random([$0.images, 1, 1, experts], 3) }
        func forward() throws -> (Router.Tape, SettledRecord) {
            let record = PassRecord()
            let tape = try router.forward(x, bench.pass(.running, record))
            let settled = try record.settle(extra: [[], []], SoloStatistics(), bench.parameters).settled
            return (tape, settled)
        }
        func byPlace(_ shard: Int, _ routes: Routes) -> [Float] {
            routes.experts.enumerated().map { c[shard].pointer[$0 / experts * experts + $1] }
        }
        let (tape, settled) = try forward()
        let best = tape.routes.map { routes in (0..<routes.images).map { routes.experts[$0 * experts] } }
        let gradients = Gradients(bench.parameters, shards: 2)
        let dx = try router.backward(
            x.indices.map { byPlace($0, tape.routes[$0]) }, tape, x, adding: x.map(bench.zeros), masksInput: false,
            bench.pass(), into: GradientAccumulator(gradients, settled.balance))
        try GradientCheck(step: 0.01).check(
            bench.variables(gradients) + x.indices.map { bench.input(x[$0], dx[$0], "input \($0)") }
        ) {
            let (varied, settled) = try forward()
            var value = settled.routers.reduce(0) { $0 + $1.balanceLoss }
            for shard in x.indices {
                let routes = varied.routes[shard]
                #expect((0..<routes.images).map { routes.experts[$0 * experts] } == best[shard])
                value += zip(routes.weights, byPlace(shard, routes)).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
            return value
        }
    }

    @Test("attacks never see the balancing loss", arguments: GateCase.all)
    func attacksSeeNoBalance(_ test: GateCase) throws {
        func gradient(_ loss: BalanceLoss, parameters: Bool) throws -> [Float] {
            let bench = LayerBench()
            let router = Router("moe", inputs: 6, Self.settings(test, loss), bench.parameters)
            bench.parameters.initialize(seed: 8)
            let x = bench.separableImages([5], channels: 6, experts: 3)
            let record = PassRecord()
            let tape = try router.forward(x, bench.pass(.running, record))
            let settled = try record.settle(extra: [[]], SoloStatistics(), bench.parameters).settled
            let dWeights = tape.routes[0].weights.indices.map { Float($0) - 1.5 }
            let gradients = parameters ? GradientAccumulator(Gradients(bench.parameters), settled.balance) : nil
            return try router.backward(
                [dWeights], tape, x, adding: [bench.zeros(like: x[0])], masksInput: false, bench.pass(), into: gradients
            )[0].toArray()
        }
        for loss in BalanceLoss.allCases where loss != .none {
            #expect(try gradient(loss, parameters: false) == gradient(.none, parameters: false))
            #expect(try gradient(loss, parameters: true) != gradient(.none, parameters: true))
        }
    }

    @Test("experts of convolutions: filters, router and input", arguments: GateCase.all, losses)
    func expertConvolution(_ test: GateCase, _ loss: BalanceLoss) throws {
        let bench = LayerBench()
        let settings = Self.settings(test, loss)
        let router = Router("moe", inputs: 6, settings, bench.parameters)
        let experts = (0..<3).map {
            Convolution(
                "moe.experts.\($0)", inputs: 6, outputs: 5, kernel: 3, stride: 2, bench.parameters,
                .heNormal(fan: 54), owner: ExpertOwner(layer: "moe", expert: $0))
        }
        let mixture = ExpertConvolution(router: router, experts: experts)
        bench.parameters.initialize(seed: 12)
        let x = bench.separableImages([4, 3], channels: 6, experts: 3)
        try bench.separate(router)

        func forward(_ fixed: Router.Tape?) throws -> (
            y: [Tensor], tape: ExpertConvolution.Tape, settled: SettledRecord
        ) {
            let record = PassRecord()
            let pass = bench.pass(.running, record)
            let (y, tape) = try mixture.forward(x, scale: nil, pass)
            let settled = try record.settle(extra: [[], []], SoloStatistics(), bench.parameters).settled
            guard let fixed else { return (y, tape, settled) }
            #expect(tape.router.routes.map(\.experts) == fixed.routes.map(\.experts), "a route changed")
            if !test.gate.isStraightThrough { return (y, tape, settled) }
            let surrogate = x.indices.map { shard in
                let routes = Self.surrogate(tape.router, fixed, shard, experts: 3)
                let dispatch = Dispatch(routes, images: x[shard].images, experts: 3)
                let parts = zip(experts, dispatch.gather(x[shard])).map { $0.forward($1, pass) }
                return dispatch.combine(parts, like: y[shard])
            }
            return (surrogate, tape, settled)
        }
        let (y, tape, settled) = try forward(nil)
        #expect(Set(tape.router.routes.flatMap(\.experts)).count == 3, "an expert had no image")
        let c = y.map { bench.randomLike($0, 21) }
        let gradients = Gradients(bench.parameters, shards: 2)
        let dx = try mixture.backward(
            c, x, tape, scale: nil, addends: nil, masksInput: true, wantsInput: true, bench.pass(),
            into: GradientAccumulator(gradients, settled.balance))
        try GradientCheck(step: 0.01).check(
            bench.variables(gradients) + x.indices.map { bench.input(x[$0], dx[$0], "input \($0)") }
        ) {
            let (y, _, settled) = try forward(tape.router)
            return projection(y, c) + settled.routers.reduce(0) { $0 + $1.balanceLoss }
        }
    }

    /// Routes with the weights 1 + s − s₀, the experts as they were.
    static func surrogate(_ varied: Router.Tape, _ fixed: Router.Tape, _ shard: Int, experts: Int) -> Routes {
        let chosen = fixed.routes[shard].experts
        let weights = chosen.enumerated().map { image, expert in
            1 + varied.scores[shard][image * experts + expert] - fixed.scores[shard][image * experts + expert]
        }
        return Routes(choices: 1, experts: chosen, weights: weights)
    }

    @Test(
        "experts of blocks: all parameters and input", arguments: GateCase.all,
        [Normalization.running, .local, .synchronized])
    func expertBlock(_ test: GateCase, _ normalization: Normalization) throws {
        let bench = LayerBench()
        let mixture = MixtureSettings(
            kind: .block, placement: Placement(["moe"]), includesDownsample: true,
            router: Self.settings(test, .entropy))
        let builder = try NetworkBuilder(
            NetworkSettings(
                blocks: [1], width: 4, channels: 3, classes: 2, mean: [0], deviation: [1], mixture: mixture),
            bench.parameters)
        let layer = try builder.expertBlock("moe", inputs: 4, map: nil, mixture.router) { path, owner in
            try builder.residualBlock(path, .basic, inputs: 4, channels: 8, stride: 2, owner: owner)
        }
        LayerGradientTests.drawParameters(bench)
        LayerGradientTests.setShifts(bench, off: -20)
        let x = bench.separableImages([4, 5], channels: 4, experts: 3)
        try bench.separate(layer.router)
        try bench.adoptStatistics { _ = try layer.forward(x, $0) }

        func forward(
            _ fixed: Router.Tape?
        ) throws -> (y: [Tensor], tape: ExpertBlock<ResidualBlock>.Tape, settled: SettledRecord) {
            let record = PassRecord()
            let pass = bench.pass(normalization, record)
            let statistics = Array(bench.parameters.statistics)
            let (y, tape) = try layer.forward(x, pass)
            let settled = try record.settle(extra: [[], []], SoloStatistics(), bench.parameters).settled
            bench.parameters.update([]) { _ = $0.statistics.update(from: statistics) }
            guard let fixed else { return (y, tape, settled) }
            #expect(tape.router.routes.map(\.experts) == fixed.routes.map(\.experts), "a route changed")
            if !test.gate.isStraightThrough { return (y, tape, settled) }
            let dispatch = x.indices.map {
                Dispatch(Self.surrogate(tape.router, fixed, $0, experts: 3), images: x[$0].images, experts: 3)
            }
            let gathered = x.indices.map { dispatch[$0].gather(x[$0]) }
            let inputs = (0..<3).map { expert in gathered.map { $0[expert] } }
            let (results, _) = try ResidualBlock.forward(layer.experts, inputs, bench.pass(normalization))
            let surrogate = x.indices.map { shard in
                dispatch[shard].combine(results.map { $0[shard] }, like: y[shard])
            }
            return (surrogate, tape, settled)
        }
        let (y, tape, settled) = try forward(nil)
        #expect(Set(tape.router.routes.flatMap(\.experts)).count == 3, "an expert had no image")
        let c = y.map { bench.randomLike($0, 21) }
        let gradients = Gradients(bench.parameters, shards: 2)
        let dx = try layer.backward(
            c, tape, masksInput: true, wantsInput: true, bench.pass(normalization),
            into: GradientAccumulator(gradients, settled.balance))
        var check = GradientCheck(step: 0.01)
        check.noise = 1e-7 * y.reduce(0) { $0 + projection($1, $1) }.squareRoot()
        try check.check(
            bench.variables(gradients) + x.indices.map { bench.input(x[$0], dx[$0], "input \($0)") }
        ) {
            let (y, _, settled) = try forward(tape.router)
            return projection(y, c) + settled.routers.reduce(0) { $0 + $1.balanceLoss }
        }
    }
}
