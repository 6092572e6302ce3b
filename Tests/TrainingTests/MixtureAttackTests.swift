import Tensors
import TestSupport
import Testing

@testable import Attacks
@testable import NetworkAttacks
@testable import Networks

/// A mixture that attacks are made on.
enum AttackedMixture: CaseIterable {
    case convolutions, channelsOfImage, channelsOfLayers, channelsOnTrunk

    func make() throws -> Network {
        switch self {
        case .convolutions: try TinyNetwork.make()
        case .channelsOfImage: try TinyNetwork.makeChannels(.image)
        case .channelsOfLayers: try TinyNetwork.makeChannels(.layer)
        case .channelsOnTrunk: try TinyNetwork.makeChannels(.layer, .resnet20)
        }
    }
}

@Suite("attacks made for mixtures")
struct MixtureAttackTests {
    private let workspace = Workspace()

    private func images(_ count: Int = 6) -> Tensor {
        let images = Tensor(workspace, images: count, height: 8, width: 8, channels: 2)
        var stream = RandomStream(seed: 4, purpose: .synthetic)
        for index in 0..<images.count {
            let level = Float(index / images.imageSize) / Float(count)
            images.pointer[index] = 0.5 * stream.uniform() + 0.5 * level
        }
        return images
    }

    private func passes(
        _ network: Network, _ decision: RoutingRule.Decision = .learned, noise: Float = 0
    ) -> PassFactory {
        PassFactory(
            network, workspace: workspace, filters: FilterCache(capacityMegabytes: 8), arithmetic: .exact,
            routing: RoutingRule(decision, noise: noise, seed: 3))
    }

    /// The images with the network's own predictions for labels, so that all are right.
    private func batch(_ passes: PassFactory, _ count: Int = 6) throws -> AttackBatch {
        let images = images(count)
        let samples = Array(10..<10 + count)
        let logits = try passes.network.forward([images], passes.frozen(samples: [samples])).logits[0]
        return AttackBatch(
            images: [images], labels: [CrossEntropy.predictions(logits)], samples: [samples], seed: 7)
    }

    private func attack(_ surrogate: Surrogate = .none, epsilon: Float = 0.05) -> NetworkAttack {
        NetworkAttack(
            id: "attack",
            search: ProjectedGradientDescent(
                ball: PerturbationBall(epsilon: epsilon), stepSize: epsilon / 3, steps: 4),
            norm: .linf, surrogate: surrogate,
            description: .init(
                norm: .linf, epsilon: Double(epsilon), stepSize: nil, steps: 4, restarts: 1, isRandom: true))
    }

    private func losses(_ network: Network, _ batch: AttackBatch, _ pass: Pass) throws -> [Double] {
        CrossEntropy.evaluate(try network.forward(batch.images, pass).logits[0], batch.labels[0], divisor: 1).losses
    }

    @Test("Pathways are all combinations of experts, or one an expert where these are too many")
    func pathways() {
        #expect(Surrogate.pathways(layers: 1, experts: 3) == [[0], [1], [2]])
        #expect(Surrogate.pathways(layers: 2, experts: 2) == [[0, 0], [0, 1], [1, 0], [1, 1]])
        #expect(Surrogate.pathways(layers: 4, experts: 2).count == 16)
        #expect(Surrogate.pathways(layers: 5, experts: 2) == [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
    }

    @Test("An attack on a pathway is that on the network with these experts fixed", arguments: AttackedMixture.allCases)
    func fixedExperts(_ mixture: AttackedMixture) throws {
        let network = try mixture.make()
        let own = passes(network)
        let batch = try batch(own)
        var results: [[Float]] = [try attack().perturb(batch, own)[0].toArray()]
        for expert in 0..<2 {
            let fixed = try attack().perturb(batch, passes(network, .expert(expert)))[0].toArray()
            #expect(try attack(.expert(expert)).perturb(batch, own)[0].toArray() == fixed)
            let pathway = [Int](repeating: expert, count: network.mixtureLayers.count)
            #expect(try attack(.pathway(pathway)).perturb(batch, own)[0].toArray() == fixed)
            results.append(fixed)
        }
        #expect(Set(results).count == 3)
        // Routes that are given for every pass are no attack's to change.
        var given = own
        for layer in network.mixtureLayers { given.given[layer] = .expert(1) }
        #expect(try attack(.expert(0)).perturb(batch, given)[0].toArray() == results[2])
    }

    @Test(
        "Without gradients through the gate routers contribute nothing, with those of their own they do",
        arguments: AttackedMixture.allCases)
    func gateGradients(_ mixture: AttackedMixture) throws {
        let network = try mixture.make()
        let passes = passes(network)
        let batch = try batch(passes)
        let objective = CrossEntropyObjective(labels: batch.labels)
        func gradient(_ change: (inout Pass) -> Void) throws -> [Float] {
            var pass = passes.frozen(samples: batch.samples)
            pass.folds = false
            change(&pass)
            return try NetworkTarget(network, pass).outputsAndInputGradient(batch.images, objective, draw: 0)
                .gradient[0].toArray()
        }
        let record = PassRecord()
        _ = try network.forward(batch.images, passes.frozen(samples: batch.samples, record: record))
        let held = try gradient { $0.given = record.givenRoutes }
        let without = try gradient { $0.gateGradient = .none }
        let own = try gradient { _ in }
        #expect(without == held)
        #expect(own != without)
        #expect(try gradient { $0.gateGradient = .straightThrough } == own)
        // What a surrogate sets is that.
        var pass = passes.frozen(samples: batch.samples)
        _ = try Surrogate.gateGradient(.none).prepare(&pass, of: network, batch, objective, beta: 1) {}
        #expect(pass.gateGradient == .none && pass.given.isEmpty)
    }

    @Test("A gate's gradient may be straight-through where its settings are not")
    func gates() {
        let gate = Gate(topK: 2, isStraightThrough: false, renormalizes: true)
        let scores: [Float] = [0.5, 0.3, 0.2]
        let routes = gate.weigh(scores: scores, chosen: [0, 2], experts: 3)
        func backward(_ rule: GateGradient) -> [Float] {
            gate.backward([3, 5], scores: scores, routes, experts: 3, by: rule)
        }
        #expect(backward(.straightThrough) == [3, 0, 5])
        #expect(backward(.none) == [0, 0, 0])
        #expect(backward(.own) == gate.backward([3, 5], scores: scores, routes, experts: 3))
        #expect(backward(.own)[0] < 0)
        #expect(routes.distribution(over: 3) == [0.5, 0, 0.5])
    }

    @Test(
        "The weakest pathway is that of the highest clean loss of each image", arguments: AttackedMixture.allCases)
    func weakestPathway(_ mixture: AttackedMixture) throws {
        let network = try mixture.make()
        let passes = passes(network)
        let batch = try batch(passes)
        let objective = CrossEntropyObjective(labels: batch.labels)
        var pass = passes.frozen(samples: batch.samples)
        let sum = try Surrogate.weakestPathway.prepare(&pass, of: network, batch, objective, beta: 0.25) {}
        var highest = [Double](repeating: -.infinity, count: 6)
        var chosen = [[Int]](repeating: [], count: 6)
        for pathway in Surrogate.pathways(layers: network.mixtureLayers.count, experts: 2) {
            var fixed = passes.frozen(samples: batch.samples)
            for (layer, expert) in zip(network.mixtureLayers, pathway) { fixed.given[layer] = .expert(expert) }
            for (image, loss) in try losses(network, batch, fixed).enumerated() where loss > highest[image] {
                (highest[image], chosen[image]) = (loss, pathway)
            }
        }
        #expect(Set(chosen).count > 1)
        let found = try losses(network, batch, pass)
        for image in 0..<6 { #expect(abs(found[image] - highest[image]) <= 1e-5 * highest[image]) }
        // Routers are driven towards the pathway: the sum grows with their log-probabilities.
        let outputs = try NetworkTarget(network, pass).outputs(batch.images, readsRouters: true, draw: 0)[0]
        #expect(Set(outputs.routers.map(\.layer)) == Set(network.mixtureLayers))
        let value = sum.evaluate(outputs, shard: 0)
        for image in 0..<6 {
            var expected = found[image]
            for router in outputs.routers {
                let layer = try #require(network.mixtureLayers.firstIndex(of: router.layer))
                expected += 0.25 * Double(router.logProbabilities[image * 2 + chosen[image][layer]])
            }
            #expect(abs(value.losses[image] - expected) <= 1e-5)
        }
    }

    @Test("Routers that decide nothing are differentiated as those that do", arguments: AttackedMixture.allCases)
    func observedRouters(_ mixture: AttackedMixture) throws {
        let network = try mixture.make()
        let passes = passes(network)
        let batch = try batch(passes, 2)
        let objective = RouterObjective(labels: [[0, 1]], layers: network.mixtureLayers, experts: 2)
        var pass = passes.frozen(samples: batch.samples)
        pass.folds = false
        for layer in network.mixtureLayers { pass.given[layer] = .expert(1) }
        let plain = try network.forward(batch.images, pass).logits[0].toArray()
        pass.observesRouters = true
        #expect(try network.forward(batch.images, pass).logits[0].toArray() == plain)
        let target = NetworkTarget(network, pass)
        let gradient = try target.outputsAndInputGradient(batch.images, objective, draw: 0).gradient[0]
        func value(_ step: Float) throws -> Double {
            let moved = batch.images[0].duplicate()
            for index in 0..<moved.count { moved.pointer[index] += step * (gradient.pointer[index] > 0 ? 1 : -1) }
            let outputs = try target.outputs([moved], readsRouters: true, draw: 0)[0]
            return objective.evaluate(outputs, shard: 0).losses.reduce(0, +)
        }
        let step: Float = 2e-3
        let slope = try (value(step) - value(-step)) / Double(2 * step)
        let expected = gradient.toArray().reduce(0) { $0 + Double(abs($1)) }
        #expect(expected > 0)
        #expect(abs(slope - expected) <= 0.05 * expected, "\(slope) and \(expected)")
    }

    @Test(
        "An attack on routers alone moves routes, and leaves images that are fooled",
        arguments: AttackedMixture.allCases)
    func routersAlone(_ mixture: AttackedMixture) throws {
        let network = try mixture.make()
        let passes = passes(network)
        let batch = try batch(passes)
        func routes(_ images: [Tensor]) throws -> RouterRecord {
            let record = PassRecord()
            _ = try network.forward(images, passes.frozen(samples: batch.samples, record: record))
            return record.routers[0]
        }
        let clean = try routes(batch.images).perShard[0]
        var onRouters = attack(epsilon: 0.2)
        onRouters.objective = .routerChoice
        let moved = try routes(onRouters.perturb(batch, passes)).perShard[0]
        // The first router: the probability of its clean choice falls.
        var (before, after) = (0.0, 0.0)
        for (image, expert) in clean.routes.experts.enumerated() {
            before += Double(clean.scores[image * 2 + expert])
            after += Double(moved.scores[image * 2 + expert])
        }
        #expect(after < before)
        let objective = UntilFooledObjective(
            RouterObjective(labels: [[0, 1, 0, 1, 0, 1]], layers: network.mixtureLayers, experts: 2),
            labels: [batch.labels[0].enumerated().map { $0.offset == 2 ? ($0.element + 1) % 3 : $0.element }])
        let gradient = try NetworkTarget(network, passes.frozen(samples: batch.samples))
            .outputsAndInputGradient(batch.images, objective, draw: 0).gradient[0]
        for image in 0..<6 {
            let isStill = gradient.slice(image..<image + 1).toArray().allSatisfy { $0 == 0 }
            #expect(isStill == (image == 2))
        }
    }

    @Test("Gradients under noise are means over draws")
    func expectation() throws {
        let network = try TinyNetwork.make()
        let passes = passes(network, noise: 2)
        let batch = try batch(passes)
        let objective = CrossEntropyObjective(labels: batch.labels)
        var noisy = attack()
        noisy.routing = .noisy
        let target = NetworkTarget(network, passes.attack(noisy, samples: batch.samples, step: 0, draw: 0))
        let mean = try AveragedTarget(target, draws: 3).outputsAndInputGradient(batch.images, objective, draw: 2)
        let parts = try (6..<9).map { try target.outputsAndInputGradient(batch.images, objective, draw: $0) }
        #expect(parts[0].gradient[0].toArray() != parts[1].gradient[0].toArray())
        for index in 0..<mean.gradient[0].count {
            let expected = parts.reduce(0) { $0 + $1.gradient[0].pointer[index] } / 3
            #expect(abs(mean.gradient[0].pointer[index] - expected) <= 1e-6)
        }
        #expect(
            abs(mean.values[0].losses[1] - parts.reduce(0) { $0 + $1.values[0].losses[1] } / 3) <= 1e-9)
        var several = noisy
        several.expectation = 4
        #expect(try several.perturb(batch, passes)[0].toArray() != noisy.perturb(batch, passes)[0].toArray())
    }

    @Test("The ladder's stages fit the network")
    func stages() throws {
        let ladder = MixtureLadder(base: attack(), expectation: 5)
        func ids(_ network: Network, noise: Float = 0) -> [String] {
            ladder.stages(for: network, noise: noise).map(\.id)
        }
        let first = ["no-gate-gradient", "straight-through", "clean-routes", "routers", "model-and-routers"]
        #expect(
            try ids(TinyNetwork.makeChannels(.image), noise: 1)
                == first + ["weakest-expert", "noise", "pathway-0", "pathway-1", "held-routes"])
        #expect(try TinyNetwork.make().mixtureLayers.count == 3)
        #expect(try ids(TinyNetwork.make()).filter { $0.hasPrefix("pathway") }.count == 8)
        #expect(try ids(TinyNetwork.make()).contains("pathway-0-1-1"))
        let stages = try ladder.stages(for: TinyNetwork.make(), noise: 1)
        #expect(stages.filter { $0.expectation == 5 }.map(\.id) == ["noise"])
        #expect(stages.filter { $0.routing == .held }.map(\.id) == ["held-routes"])
        #expect(Set(stages.map(\.id)).count == stages.count)
    }

    @Test("Stored images are given back, and refused where they are not")
    func storedImages() throws {
        let network = try TinyNetwork.make()
        let passes = passes(network)
        let batch = try batch(passes, 2)
        let size = batch.images[0].imageSize
        let pixels = batch.images[0].toArray().map { min($0 + 0.03125, 1) }
        var stored = StoredImages(ball: PerturbationBall(epsilon: 0.04), origin: "a file")
        for image in 0..<2 { stored.images[10 + image] = Array(pixels[image * size..<(image + 1) * size]) }
        var attack = attack()
        attack.search = stored
        #expect(try attack.perturb(batch, passes)[0].toArray() == pixels)
        stored.ball.epsilon = 0.03
        attack.search = stored
        #expect { _ = try attack.perturb(batch, passes) } throws: {
            "\($0)".contains("index 10") && "\($0)".contains("distance 0.03125")
        }
        stored.images[11] = nil
        stored.ball.epsilon = 0.04
        attack.search = stored
        #expect { _ = try attack.perturb(batch, passes) } throws: { "\($0)".contains("index 11, found none") }
    }
}
