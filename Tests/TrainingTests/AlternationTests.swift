import Collectives
import Datasets
import Foundation
import Networks
import Tensors
import Testing

@testable import Configuration
@testable import Training

/// A training step on images of its own, and what belongs to it.
private struct StepScene {
    static let traits = DatasetTraits(
        classNames: ["a", "b", "c", "d"], height: 8, width: 8, channels: 3, mean: [0.5, 0.5, 0.5],
        standardDeviation: [0.25, 0.25, 0.25], augmentations: [])

    let configuration: RunConfiguration
    let network: Network
    let workspace = Workspace()
    let step: TrainingStep

    init(_ settings: String..., change: (inout NetworkSettings) -> Void = { _ in }) throws {
        let layers = ["model.width=8", "training.epochs=4", "moe.experts=2"] + settings
        configuration = try RunConfiguration.resolve(layers: layers.map { ConfigurationLayer(override: $0) })
        var network = configuration.networkSettings(Self.traits)
        change(&network)
        self.network = try Network(network, seed: 2)
        step = Self.step(self.network, configuration, workspace)
    }

    static func step(
        _ network: Network, _ configuration: RunConfiguration, _ workspace: Workspace
    ) -> TrainingStep {
        let communicator = SoloCommunicator()
        return TrainingStep(
            network, configuration.trainingSettings(stepsPerEpoch: 8, ranks: 1),
            method: configuration.trainingMethod(traits, communicator), communicator: communicator,
            workspace: workspace)
    }

    func batch(_ number: Int, images count: Int = 6) -> TrainingBatch {
        let images = Tensor(workspace, images: count, height: 8, width: 8, channels: 3)
        for image in 0..<count {
            var stream = RandomStream(seed: 9, purpose: .synthetic, step: number, index: image)
            let level = 0.2 + 0.6 * stream.uniform()
            for index in image * images.imageSize..<(image + 1) * images.imageSize {
                images.pointer[index] = min(max(level + 0.3 * (stream.uniform() - 0.5), 0), 1)
            }
        }
        return TrainingBatch(
            images: [images], labels: [(0..<Int32(count)).map { $0 % 4 }], samples: [Array(0..<count)],
            globalSize: count)
    }

    func runStep(_ number: Int) throws -> StepOutcome {
        try step.run(batch(number), routerBatch: batch(100 + number), step: number, wantsToStop: false)
    }

    func run(_ number: Int) throws -> UpdateOutcome { try #require(try runStep(number).updates.first) }

    func values(_ group: ParameterGroup) -> [Float] {
        network.parameters.slots.filter { !$0.isStatistic && $0.group == group }.flatMap {
            Array(network.parameters.values(of: $0))
        }
    }

    func counter(_ norm: String) throws -> Float {
        let slot = try #require(network.parameters.slots.first { $0.name == "\(norm).num_batches_tracked" })
        return network.parameters.values(of: slot)[0]
    }
}

@Suite("TRADES and AdvMoE")
struct AlternationTests {
    @Test("a run learns, and no step gives anything that is not finite", arguments: ["advmoe-paper", "advmoe-code"])
    func learns(_ preset: String) throws {
        let scene = try StepScene(
            "preset=\(preset)", "training.advmoe.beta=0.5", "training.optimizer.rate=0.01",
            "training.advmoe.router_optimizer.rate=0.01", "training.optimizer.momentum=0", "attack.steps=1")
        var losses: [Double] = []
        for _ in 0..<40 {
            let outcome = try scene.run(0)
            #expect(outcome.passes.count == 2 && outcome.gradientNorm.isFinite)
            losses.append(outcome.passes[0].lossSum)
        }
        #expect(losses[36...].reduce(0, +) < losses[..<4].reduce(0, +))
        let values = scene.values(.router) + scene.values(.backbone)
        #expect(values.allSatisfy { $0.isFinite })
    }

    @Test(
        "only what is to be trained moves",
        arguments: [("router", ParameterGroup.router), ("experts", .backbone)])
    func groups(_ trained: String, _ group: ParameterGroup) throws {
        for method in ["trades", "pgd"] {
            let scene = try StepScene(
                "moe.kind=channel", "model.ratio=0.5", "training.method=\(method)", "training.parameters=\(trained)")
            let before: [ParameterGroup: [Float]] = [
                .router: scene.values(.router), .backbone: scene.values(.backbone),
            ]
            _ = try scene.run(0)
            for other in [ParameterGroup.router, .backbone] {
                #expect((scene.values(other) == before[other]) == (other != group), "\(method)")
            }
        }
    }

    @Test("the released code's passes move running statistics as often as there, others once a training pass")
    func statistics() throws {
        let code = try StepScene("preset=advmoe-code")
        _ = try code.run(0)
        #expect(try code.counter("layer1.0.bn1") == 4)
        #expect(try code.counter("router.bn1") == 6)
        let once = try StepScene("preset=advmoe-code", "training.advmoe.statistics_updates=once")
        _ = try once.run(0)
        #expect(try once.counter("layer1.0.bn1") == 2)
        let paper = try StepScene("preset=advmoe-paper")
        _ = try paper.run(0)
        #expect(try paper.counter("layer1.0.bn1") == 4)
        // TRADES there computes the clean pass twice.
        for (kind, updates) in [("none", ["layer1.0.bn1"]), ("channel", ["layer1.0.bn1", "router.bn1"])] {
            let baseline = try StepScene("preset=advmoe-code", "moe.kind=\(kind)", "training.method=trades")
            _ = try baseline.run(0)
            for layer in updates { #expect(try baseline.counter(layer) == 3, "\(kind), \(layer)") }
        }
    }

    // With gradients of the logits themselves, which grow by the routers' weights from layer to layer and the weights by
    // them, the norm leaves the range of floats within twenty steps.
    @Test("routers in every layer do not drive each other up", arguments: ["trades", "advmoe"])
    func steadyRouters(_ method: String) throws {
        func largestNorm(bypasses: Bool) throws -> Double {
            let scene = try StepScene(
                "preset=advmoe-paper", "training.method=\(method)", "training.optimizer.rate=0.05",
                "training.advmoe.router_optimizer.rate=0.05", "model.width=16"
            ) { $0.mixture?.router.gate.bypassesSoftmax = bypasses }
            var largest = 0.0
            for number in 0..<30 { largest = max(largest, try scene.run(number % 4).gradientNorm) }
            return largest
        }
        #expect(try largestNorm(bypasses: false) < 1e4)
        do {
            let norm = try largestNorm(bypasses: true)
            #expect(norm > 1e6)
        } catch { #expect("\(error)".contains("finite")) }
    }

    @Test("an average of the weights takes in a step once, when both halves are done")
    func average() throws {
        let scene = try StepScene("preset=advmoe-paper", "training.weight_average=0.75")
        let before = Array(scene.network.parameters.values)
        _ = try scene.run(0)
        let after = Array(scene.network.parameters.values)
        #expect(before != after)
        let average = try #require(scene.step.average)
        average.withAverages(in: scene.network) {
            for (index, value) in scene.network.parameters.values.enumerated() {
                #expect(abs(value - (0.75 * before[index] + 0.25 * after[index])) <= 1e-6 * (1 + abs(value)))
            }
        }
    }

    @Test("one attack may serve both halves, and both still move")
    func sharedAttack() throws {
        let scene = try StepScene(
            "preset=advmoe-paper", "training.advmoe.shared_attack=true", "training.advmoe.shared_batch=true")
        let before: [ParameterGroup: [Float]] = [.router: scene.values(.router), .backbone: scene.values(.backbone)]
        let outcome = try scene.runStep(0)
        for group in [ParameterGroup.router, .backbone] { #expect(scene.values(group) != before[group]) }
        let update = try #require(outcome.updates.first)
        #expect(outcome.attackSeconds > 0 && update.passes.count == 2)
    }

    @Test("a score gap of 300 leaves the router's update finite")
    func extremes() throws {
        let scene = try StepScene("preset=advmoe-code")
        let slot = try #require(scene.network.parameters.slots.first { $0.name == "router.fc.bias" })
        scene.network.parameters.update { $0.values(of: slot)[0] = 300 }
        _ = try scene.run(0)
        let values = scene.values(.router)
        #expect(values.allSatisfy { $0.isFinite })
    }

    @Test("parts of a batch add up to its step where nothing is normalised by the batch")
    func microBatches() throws {
        func trained(_ settings: String...) throws -> [Float] {
            let scene = try StepScene(
                "moe.kind=conv", "moe.balance.loss=none", "training.method=standard",
                "kernels.arithmetic=exact")
            var configuration = scene.configuration
            configuration.training.microBatch = settings.isEmpty ? nil : 4
            let step = StepScene.step(scene.network, configuration, scene.workspace)
            // Twelve images that are three times the same four have the moments of four.
            let four = scene.batch(0, images: 4)
            let images = Tensor(scene.workspace, images: 12, height: 8, width: 8, channels: 3)
            for image in 0..<12 {
                images.slice(image..<image + 1).copy(from: four.images[0].slice(image % 4..<image % 4 + 1))
            }
            let batch = TrainingBatch(
                images: [images], labels: [(0..<12).map { $0 % 4 }], samples: [Array(0..<12)], globalSize: 12)
            let outcome = try #require(try step.run(batch, step: 0, wantsToStop: false).updates.first)
            #expect(outcome.passes[0].layers.allSatisfy { $0.sums.chosen.reduce(0, +) == 12 })
            return scene.values(.backbone) + Array(scene.network.parameters.statistics)
        }
        let (whole, parts) = (try trained(), try trained("parts"))
        let largest = zip(whole, parts).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        // Moments of four maps of one pixel, in layer4, magnify rounding.
        #expect(largest <= 1e-3)
    }

    @Test("combinations that cannot be are refused by name")
    func rules() {
        func complaint(_ settings: String...) -> String {
            do {
                _ = try RunConfiguration.resolve(layers: settings.map { ConfigurationLayer(override: $0) })
                return ""
            } catch { return "\(error)" }
        }
        #expect(complaint("training.method=advmoe").contains("training.method"))
        #expect(complaint("training.parameters=router").contains("training.parameters"))
        #expect(complaint("training.parameters=scores").isEmpty)
        #expect(complaint("training.parameters=scores", "moe.kind=channel").contains("training.parameters"))
        #expect(complaint("training.parameters=scores", "training.weight_average=0.9").contains("weight_average"))
        #expect(complaint("training.parameters=scores", "model.masks=run").contains("model.masks"))
        #expect(complaint("model.masks=run", "moe.kind=conv").contains("model.masks"))
        #expect(complaint("evaluation.masks=run", "moe.kind=conv").contains("evaluation.masks"))
        #expect(complaint("preset=advmoe-paper", "training.advmoe.shared_attack=true").contains("shared_attack"))
        #expect(
            complaint("preset=advmoe-paper", "training.advmoe.shared_attack=true", "training.advmoe.shared_batch=true")
                .isEmpty)
        #expect(complaint("preset=advmoe-code", "training.advmoe.shared_attack=true").contains("shared_attack"))
        #expect(complaint("moe.kind=conv", "moe.scope=image").contains("moe.scope"))
        #expect(complaint("moe.kind=channel", "moe.scope=image").contains("resnet20"))
        #expect(complaint("moe.kind=channel", "moe.top_k=2").contains("moe.top_k"))
        #expect(complaint("attack.objective=kl").contains("attack.objective"))
        #expect(complaint("training.micro_batch=8", "moe.kind=conv").contains("training.micro_batch"))
        #expect(complaint("training.micro_batch=8", "moe.kind=conv", "moe.statistics=local").isEmpty)
        #expect(complaint("preset=advmoe-paper").isEmpty && complaint("preset=advmoe-code").isEmpty)
        #expect(
            complaint("preset=advmoe-paper", "training.advmoe.router_objective=label-modulo")
                .contains("router_objective"))
    }
}

/// Executed multiply-adds of whole steps; nothing else may run in the process, see MultiplyAddCounterTests.
@Suite(
    "Executed multiply-adds of AdvMoE", .serialized,
    .enabled(if: ProcessInfo.processInfo.environment["ROBUSTMOE_COUNTER_TESTS"] == "1"))
struct AlternationMultiplyAddCounterTests {
    private func count(_ body: () throws -> Void) rethrows -> Int {
        let before = MatrixProduct.executedMultiplyAdds(.convolution)
        try body()
        return MatrixProduct.executedMultiplyAdds(.convolution) - before
    }

    @Test(
        "an iteration as released makes 17 passes through the chosen experts, not 18 through all, and 17 of 32 by its router"
    )
    func units() throws {
        let scene = try StepScene("preset=advmoe-code", "kernels.arithmetic=exact")
        let batch = scene.batch(0)
        let pass = scene.step.passes.frozen(samples: batch.samples)
        let logits = try scene.network.forward(batch.images, pass).logits
        func backward(_ pass: Pass, groups: Set<ParameterGroup>?, wantsInput: Bool) throws -> Int {
            let (_, tape) = try scene.network.forward(batch.images, pass)
            let gradients = groups.map { groups in
                let gradients = Gradients(scene.network.parameters)
                gradients.groups = groups
                return GradientAccumulator(gradients, .none)
            }
            return try count {
                _ = try scene.network.backward(logits, tape, pass, into: gradients, wantsInput: wantsInput)
            }
        }
        let routing = try #require(try scene.network.route(batch.images, pass))
        let routerForward = try count { _ = try scene.network.route(batch.images, pass) }
        let forward = try count { _ = try scene.network.forward(batch.images, pass) } - routerForward
        let attack = try backward(pass, groups: nil, wantsInput: true)
        let training = try backward(pass, groups: [.backbone], wantsInput: false)
        let scores = Tensor(scene.workspace, images: 6, channels: 2)
        scores.fill(0.1)
        let router = try count {
            let gradients = GradientAccumulator(Gradients(scene.network.parameters), .none)
            try scene.network.backward(router: [scores], routing, pass, into: gradients)
        }
        let expected = 9 * (forward + routerForward) + 4 * attack + 2 * training + 2 * router
        #expect(try count { _ = try scene.run(0) } == expected)
    }

    @Test("one attack for both halves saves the other one, whole")
    func sharedAttack() throws {
        let settings = ["preset=advmoe-paper", "kernels.arithmetic=exact", "training.advmoe.shared_batch=true"]
        let plain = try StepScene(settings[0], settings[1], settings[2])
        let shared = try StepScene(settings[0], settings[1], settings[2], "training.advmoe.shared_attack=true")
        let batch = plain.batch(0)
        let pass = plain.step.passes.frozen(samples: batch.samples)
        let forward = try count { _ = try plain.network.forward(batch.images, pass) }
        let gradient = try count {
            let (logits, tape) = try plain.network.forward(batch.images, pass)
            _ = try plain.network.backward(logits, tape, pass, into: nil, wantsInput: true)
        }
        // The frozen network's own logits, and two steps.
        #expect(try count { _ = try plain.run(0) } - count { _ = try shared.run(0) } == forward + 2 * gradient)
    }

    @Test("more experts of the same width cost nothing, wherever images go")
    func experts() throws {
        func cost(_ experts: Int, _ routes: String) throws -> Int {
            let scene = try StepScene(
                "preset=advmoe-code", "kernels.arithmetic=exact", "moe.experts=\(experts)", "moe.routes=\(routes)")
            let batch = scene.batch(0)
            let pass = scene.step.passes.frozen(samples: batch.samples)
            return try count {
                let (logits, tape) = try scene.network.forward(batch.images, pass)
                _ = try scene.network.backward(logits, tape, pass, into: nil, wantsInput: true)
            }
        }
        let two = try cost(2, "uniform")
        #expect(try cost(4, "uniform") == two && cost(8, "uniform") == two && cost(8, "0") == two)
    }
}
