import Attacks
import Collectives
import Datasets
import Networks
import Tensors
import TestSupport
import Testing

@testable import Configuration
@testable import Training

/// Channel experts and AdvMoE's training steps against PyTorch networks and loops written from the specification.
///
/// One pass is held to multiples of what separates PyTorch's float32 from its float64, as in "Parity with PyTorch".
///
/// In training ours attacks, and then goes on from where PyTorch's attacks ended. Where an attack starts the divergence is
/// nearly 0, a difference of logits that agree to three digits, so that rounding decides the signs of a few gradients, in
/// PyTorch's own float64 too (`agreeing` in the fixtures); a pixel of ten grey levels then decides about all that follows.
/// From the same images everything agrees to rounding, three steps with momentum included, unless rounding carries a unit
/// over its kink, which happens with some of BLAS's kernels and moves gradients by up to a per cent.
@Suite("Parity of AdvMoE with PyTorch")
struct AdvMoEParityTests {
    @Test(
        "one pass: logits, routes, gradients of images, scores and parameters, statistics",
        arguments: ["advmoe-pass-image", "advmoe-pass-layer"], [Arithmetic.fast, .exact])
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
        let communicator = SoloCommunicator()
        var settings = scene.configuration.trainingSettings(stepsPerEpoch: 1, ranks: 1)
        let attack = FollowedAttack(attack: try #require(settings.attack?.search as? ProjectedGradientDescent))
        settings.attack?.search = attack
        let step = TrainingStep(
            scene.network, settings, method: scene.configuration.trainingMethod(scene.traits, communicator),
            communicator: communicator, workspace: scene.workspace)
        for (number, known) in try #require(fixture.iterations).enumerated() {
            let what = "iteration \(number)"
            let other = fixture.method == .paper ? scene.batch(2 * number + 1) : nil
            attack.course.expect(known.signs)
            let outcome = try #require(
                try step.run(scene.batch(2 * number), routerBatch: other, step: number, wantsToStop: false)
                    .updates.first)
            #expect(attack.course.shares.count == known.signs.count)
            #expect(attack.course.shares.allSatisfy { $0 >= 0.97 }, "\(what): pixels agree \(attack.course.shares)")
            for (pass, exact) in zip(outcome.passes, known.losses) {
                let mean = pass.lossSum / Double(fixture.batch)
                #expect(abs(mean - exact) <= 8 * known.lossesError + 2e-5 * (1 + exact), "\(what): \(mean), \(exact)")
            }
            #expect(outcome.passes.map(\.correct) == known.right, "\(what)")
            #expect(
                abs(outcome.gradientNorm - known.gradientNorm) <= 2e-3 * known.gradientNorm,
                "\(what): \(outcome.gradientNorm), \(known.gradientNorm)")
            scene.expect(known.statistics, within: 1e-4, what)
            if let momentum = known.momentum {
                scene.expect(
                    UnsafeBufferPointer(step.optimizer.state[0].arena), momentum, within: 2e-2, "\(what): momentum")
            }
        }
        scene.expect(scene.network.parameters.values, try #require(fixture.weights), within: 1e-5, "weight")
    }
}

/// One pass of a fixture's network beside PyTorch's.
private struct PassCheck {
    let scene: AdvMoEScene
    let pass: Pass
    let expected: AdvMoEFixture.Pass
    /// Multiples of PyTorch's own error, and relative floors of values and of gradients, as in `ParityTests`.
    let factor: Double
    let values: Double
    let gradients: Double
    private let batch: TrainingBatch
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
            samples: batch.samples, record: record)
    }

    func run() throws {
        let network = scene.network
        let (logits, tape) = try network.forward(batch.images, pass)
        let (losses, dLogits) = CrossEntropy.evaluate(logits[0], batch.labels[0], divisor: batch.globalSize)
        let (sums, settled) = try record.settle(extra: [[losses.reduce(0, +)]], SoloStatistics(), network.parameters)
        #expect(abs(sums[0] / Double(batch.globalSize) - expected.loss) <= 4 * values)
        let worst = zip(logits[0].elements, expected.logits.joined()).map { abs(Double($0) - $1) }.max() ?? .infinity
        #expect(worst <= factor * expected.logitsError + 4 * values)
        let routes = record.routers.map { ($0.layer, $0.perShard[0].routes.experts) }
        #expect(Dictionary(uniqueKeysWithValues: routes) == expected.routes)
        if let statistics = expected.statistics { scene.expect(statistics, within: 8 * values, "after the pass") }

        let found = Gradients(network.parameters)
        let dx = try network.backward(
            [dLogits], tape, pass, into: GradientAccumulator(found, settled.balance), wantsInput: true)[0]
        scene.expect(
            dx.channelsFirst, expected.inputGradient, within: gradients, factor: factor, "gradient of the images")
        scene.expect(
            UnsafeBufferPointer(found.arenas[0]), expected.parameters, within: gradients, factor: factor, "gradient")
        if pass.normalization == .running { try checkScores(dLogits, tape, settled) }
    }

    /// Without batch moments images are independent: what the loss of one alone adds to the router's bias is the gradient
    /// of its scores.
    private func checkScores(_ dLogits: Tensor, _ tape: Network.Tape, _ settled: SettledRecord) throws {
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
            _ = try scene.network.backward(
                [alone], tape, pass, into: GradientAccumulator(found, settled.balance), wantsInput: false)
            for (value, exact) in zip(found.arenas[0][bias.range], exact[image]) {
                #expect(abs(Double(value) - exact) <= factor * error + gradients * norm, "image \(image)")
                #expect((value == 0) == (exact == 0), "only the expert chosen has a say")
            }
        }
    }
}
