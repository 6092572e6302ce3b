import Collectives
import Networks
import Tensors
import TestSupport
import Testing

@testable import Training

/// Channel experts and AdvMoE's training steps against PyTorch networks and loops written from the specification.
///
/// One pass is held to multiples of what separates PyTorch's float32 from its float64, as in "Parity with PyTorch".
///
/// Training goes on from its own attacks. Where an attack starts the divergence is nearly 0, a difference of logits that
/// agree to three digits or four, so that its gradient has three or four digits less than they have: of 6144 pixels one
/// may have a gradient that small, and then another sign. Fixtures were chosen such that PyTorch's own runs agree on all
/// pixels; ours may differ in a few. A pixel changes a loss by a ten-thousandth, and what it changes is carried on by
/// weights, hence wider bounds for later iterations; a pass left out, swapped or repeated, a wrong sign or another
/// optimizer moves these figures by a tenth at least.
@Suite("Parity of AdvMoE with PyTorch")
struct AdvMoEParityTests {
    @Test(
        "one pass: logits, routes, gradients of images, scores and parameters, statistics",
        arguments: ["advmoe-pass-image", "advmoe-pass-layer"], Arithmetic.allCases)
    func onePass(_ name: String, _ arithmetic: Arithmetic) throws {
        for normalization in [Normalization.running, .local] {
            let scene = try AdvMoEScene(name)
            let expected = try #require(normalization == .running ? scene.fixture.eval : scene.fixture.train)
            try PassCheck(scene, arithmetic, normalization, expected).run()
        }
    }

    @Test("three training steps", arguments: ["advmoe-trades", "advmoe-code", "advmoe-paper"])
    func training(_ name: String) throws {
        let scene = try AdvMoEScene(name)
        let fixture = scene.fixture
        let step = TrainingStep(
            scene.network, scene.configuration, communicator: SoloCommunicator(), workspace: scene.workspace, shards: 1,
            stepsPerEpoch: 1, traits: scene.traits)
        let attack = RecordedAttack(attack: try #require(step.attack))
        step.attack = attack
        let iterations = try #require(fixture.iterations)
        for (number, known) in iterations.enumerated() {
            let other = fixture.method == .paper ? scene.batch(2 * number + 1) : nil
            let outcome = try #require(
                try step.run(scene.batch(2 * number), routerBatch: other, step: number, wantsToStop: false).first)
            let what = "iteration \(number)"
            let changes = attack.changes.take()
            #expect(changes.count == known.attacked.count)
            for (change, exact) in zip(changes, known.attacked) {
                let differing = zip(AdvMoEScene.probes(change, exact.count), exact).count { abs($0 - $1) > 0.02 }
                #expect(differing <= exact.count / 100, "\(what): \(differing) of \(exact.count) pixels differ")
            }
            let bound = number == 0 ? 2e-3 : 1e-2
            for (pass, exact) in zip(outcome.passes, known.losses) {
                let mean = pass.lossSum / Double(fixture.batch)
                #expect(abs(mean - exact) <= bound * (1 + exact), "\(what): \(mean), \(exact)")
            }
            #expect(outcome.passes.map(\.correct) == known.right, "\(what)")
            #expect(
                abs(outcome.gradientNorm - known.gradientNorm) <= bound * known.gradientNorm,
                "\(what): \(outcome.gradientNorm), \(known.gradientNorm)")
            scene.expect(known.statistics, within: bound, what)
            if let momentum = known.momentum {
                scene.expect(step.optimizer.momentum, momentum, within: 5 * bound, "\(what): momentum")
            }
        }
        scene.expect(scene.network.parameters.values, try #require(fixture.weights), within: 5e-3, "weight")
    }
}

/// One pass of a fixture's network beside PyTorch's.
private struct PassCheck {
    let scene: AdvMoEScene
    let pass: Pass
    let expected: AdvMoEFixture.Pass
    /// Multiples of PyTorch's own error; relative floors, of values and of gradients. See `ParityTests`.
    let factor: Double
    let values: Double
    let gradients: Double
    private let batch: PreparedBatch
    private let record = PassRecord()

    init(
        _ scene: AdvMoEScene, _ arithmetic: Arithmetic, _ normalization: Normalization, _ expected: AdvMoEFixture.Pass
    ) {
        self.scene = scene
        self.expected = expected
        batch = scene.batch(0)
        let isExact = arithmetic == .exact
        (factor, values, gradients) = isExact ? (8, 4e-6, 1e-5) : (100, 4e-5, 5e-2)
        pass = Pass(
            parameters: scene.network.parameters, workspace: scene.workspace,
            filters: FilterCache(capacityMegabytes: 64), arithmetic: arithmetic, normalization: normalization,
            samples: batch.indices, record: record)
    }

    func run() throws {
        let network = scene.network
        let (logits, tape) = try network.forward(batch.images, pass)
        let (losses, dLogits) = CrossEntropy.evaluate(logits[0], batch.labels[0], divisor: batch.globalSize)
        let sums = try record.settle(extra: [[losses.reduce(0, +)]], SoloStatistics(), network.parameters)
        #expect(abs(sums[0] / Double(batch.globalSize) - expected.loss) <= 4 * values)
        let worst = zip(logits[0].elements, expected.logits.joined()).map { abs(Double($0) - $1) }.max() ?? .infinity
        #expect(worst <= factor * expected.logitsError + 4 * values)
        let routes = record.routers.map { ($0.layer, $0.perShard[0].routes.experts) }
        #expect(Dictionary(uniqueKeysWithValues: routes) == expected.routes)
        if let statistics = expected.statistics { scene.expect(statistics, within: 8 * values, "after the pass") }

        let found = Gradients(network.parameters)
        let dx = try network.backward([dLogits], tape, pass, into: found, wantsInput: true)[0]
        scene.expect(
            dx.channelsFirst, expected.inputGradient, within: gradients, factor: factor, "gradient of the images")
        scene.expect(found.arenas[0], expected.parameters, within: gradients, factor: factor, "gradient")
        if pass.normalization == .running { try checkScores(dLogits, tape) }
    }

    /// Without batch moments images are independent: what the loss of one alone adds to the router's bias is the gradient
    /// of its scores.
    private func checkScores(_ dLogits: Tensor, _ tape: Network.Tape) throws {
        guard let exact = expected.scoreGradient, let scores = expected.scores, let error = expected.scoreGradientError,
            let routing = tape.imageRouting
        else { return }
        let bias = try #require(scene.network.parameters.slots.first { $0.name == "router.fc.bias" })
        let norm = exact.joined().reduce(0) { $0 + $1 * $1 }.squareRoot()
        for image in exact.indices {
            let logs = routing.logProbabilities[0][2 * image..<2 * image + 2].map(Double.init)
            #expect(abs(logs[0] - logs[1] - (scores[image][0] - scores[image][1])) <= 40 * values)
            let alone = Tensor(like: dLogits)
            alone.fill(0)
            alone.slice(image..<image + 1).copy(from: dLogits.slice(image..<image + 1))
            let found = Gradients(scene.network.parameters)
            _ = try scene.network.backward([alone], tape, pass, into: found, wantsInput: false)
            for (value, exact) in zip(found.arenas[0][bias.range], exact[image]) {
                #expect(abs(Double(value) - exact) <= factor * error + gradients * norm, "image \(image)")
                #expect((value == 0) == (exact == 0), "only the expert chosen has a say")
            }
        }
    }
}
