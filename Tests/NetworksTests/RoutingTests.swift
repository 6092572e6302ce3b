import Tensors
import Testing

@testable import Networks

@Suite("Routing")
struct RoutingTests {
    /// Routes of every layer for each image of the batch, whatever the shards.
    private func routes(_ subject: TestNetwork, _ sizes: [Int], _ routing: Routing) throws -> [[[Int]]] {
        let samples = subject.ranges(sizes).map { $0.map { 100 + $0 } }
        let outcome = try subject.forward(
            subject.shards(sizes), subject.pass(.running, routing: routing, samples: samples))
        return outcome.record.routers.map { router in
            router.perShard.flatMap { shard in
                (0..<shard.routes.images).map {
                    Array(shard.routes.experts[$0 * shard.routes.choices..<($0 + 1) * shard.routes.choices])
                }
            }
        }
    }

    @Test("noise depends on seed, step and sample, not on the shards", arguments: NetworkCase.mixtures)
    func noiseIsCounterBased(_ test: NetworkCase) throws {
        let subject = try TestNetwork(test)
        func noisy(_ sizes: [Int], seed: UInt64 = 5, step: Int = 3) throws -> [[[Int]]] {
            try routes(subject, sizes, .learned(TrainingRouting(noise: 1, seed: seed, step: step)))
        }
        let whole = try noisy([7])
        for sizes in [[3, 4], [0, 7], [1, 1, 5]] { #expect(try noisy(sizes) == whole) }
        #expect(try noisy([7], seed: 6) != whole)
        #expect(try noisy([7], step: 4) != whole)
        #expect(try routes(subject, [7], .learned(nil)) != whole)
        // Other samples draw other noise.
        let other = try subject.forward(
            [subject.images],
            subject.pass(
                .running, routing: .learned(TrainingRouting(noise: 1, seed: 5, step: 3)),
                samples: [Array(0..<7)]))
        #expect(other.record.routers.map(\.perShard[0].routes.experts) != whole.map { $0.flatMap { $0 } })
    }

    @Test("noise changes which experts are chosen, never how they are weighed or balanced")
    func noiseOnlyChooses() throws {
        let subject = try TestNetwork(NetworkCase(kind: .block, gate: .renormalised, loss: .entropy))
        let clean = try subject.forward([subject.images], subject.pass(.running))
        let noisy = try subject.forward(
            [subject.images],
            subject.pass(
                .running, routing: .learned(TrainingRouting(noise: 3, seed: 1, step: 0)),
                samples: [Array(0..<7)]))
        let (before, after) = (clean.record.routers[0], noisy.record.routers[0])
        #expect(after.perShard[0].scores == before.perShard[0].scores)
        #expect(after.perShard[0].routes != before.perShard[0].routes)
        #expect(noisy.balanceLoss == clean.balanceLoss)
        for image in 0..<7 {
            let chosen = after.perShard[0].routes.experts[2 * image..<2 * image + 2]
            let kept = chosen.map { after.perShard[0].scores[image * 3 + $0] }
            for (choice, score) in kept.enumerated() {
                let weight = after.perShard[0].routes.weights[2 * image + choice]
                #expect(abs(weight - score / (kept[0] + kept[1] + 1e-5)) < 1e-6)
            }
        }
    }

    @Test("noise is measured by the deviation of the global batch, or of a shard alone", arguments: [true, false])
    func noiseScale(_ isGlobal: Bool) throws {
        let bench = LayerBench()
        let settings = RouterSettings(
            experts: 2, gate: GateCase.straightThrough.gate, balance: .none, balanceWeight: 0,
            usesGlobalStatistics: isGlobal)
        let router = Router("moe", inputs: 2, settings, bench.parameters)
        bench.parameters.initialize(seed: 1)
        bench.parameters.update { $0.values.update(repeating: 0) }
        bench.parameters.update { for expert in 0..<2 { $0.values[expert * 2 + expert] = 1 } }
        // The first shard's scores differ by much, the second's by little: a hundredth of the global deviation.
        let x = [bench.random([200, 1, 1, 2], 1), bench.random([200, 1, 1, 2], 2)]
        for index in 0..<400 {
            x[0].pointer[index] = index % 2 == 0 ? 3 : -3
            x[1].pointer[index] = index % 2 == 0 ? 0.01 : -0.01
        }
        let samples = [Array(0..<200), Array(200..<400)]
        var pass = bench.pass(samples: samples)
        pass.routing = .learned(TrainingRouting(noise: 0.3, seed: 1, step: 0))
        let changed = try router.forward(x, pass).routes[1].experts.filter { $0 == 1 }.count
        // Globally the small gap drowns in the noise; by its own deviation it is two units of z, 0.3 N(0, 2) away.
        if isGlobal { #expect(changed > 60) } else { #expect(changed == 0) }
    }

    @Test("equal scores survive the noise", arguments: [2, 3, 7])
    func equalScores(_ experts: Int) throws {
        let bench = LayerBench()
        let settings = RouterSettings(
            experts: experts, gate: GateCase.straightThrough.gate, balance: .none, balanceWeight: 0)
        let router = Router("moe", inputs: 2, settings, bench.parameters)
        bench.parameters.initialize(seed: 1)
        bench.parameters.update { $0.values.update(repeating: 0) }
        var pass = bench.pass(samples: [Array(0..<50)])
        pass.routing = .learned(TrainingRouting(noise: 1, seed: 1, step: 0))
        let routes = try router.forward([bench.random([50, 1, 1, 2], 1)], pass).routes[0]
        #expect(Set(routes.experts).count == experts, "noise should decide between equal scores")
    }

    @Test(
        "values and gradients are finite at a score gap of 200", arguments: BalanceLoss.allCases.filter { $0 != .none },
        GateCase.all)
    func largeGaps(_ loss: BalanceLoss, _ test: GateCase) throws {
        let bench = LayerBench()
        let settings = RouterSettings(experts: 3, gate: test.gate, balance: loss, balanceWeight: 0.5)
        let router = Router("moe", inputs: 3, settings, bench.parameters)
        bench.parameters.initialize(seed: 1)
        bench.parameters.update { $0.values.update(repeating: 0) }
        let (weight, bias) = try router.linearSlots()
        bench.parameters.update { _ = $0.values(of: weight).update(from: [200, 0, 0, 0, 200, 0, 0, 0, 0]) }
        // Images prefer experts 0 and 1 by 200; expert 2 underflows for all of them.
        let x = bench.random([4, 1, 1, 3], 1)
        for index in 0..<12 { x.pointer[index] = index % 3 == index / 3 % 2 ? 1 : 0 }
        let record = PassRecord()
        let tape = try router.forward([x], bench.pass(.running, record))
        let settled = try record.settle(extra: [[]], SoloStatistics(), bench.parameters).settled
        #expect(tape.scores[0] == [1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0])
        let value = settled.routers[0].balanceLoss
        // Half of the images to each of two of three experts: mean H = 0, H(P) = log 2; switch 3/2 − 1; two of three
        // scores deviate by √(1/3) over four images.
        let deviation = 2.0 / 3 / 3.0.squareRoot()
        let known = [
            BalanceLoss.entropy: -logarithm(2), .columnEntropy: -logarithm(2), .switchLoss: 0.5,
            .variance: 1.5 - deviation,
        ]
        #expect(abs(value - 0.5 * (known[loss] ?? 0)) < 1e-6)
        let gradients = Gradients(bench.parameters)
        let dWeights = tape.routes[0].weights.indices.map { Float($0 + 1) }
        let dx = try router.backward(
            [dWeights], tape, [x], adding: [bench.zeros(like: x)], masksInput: false, bench.pass(),
            into: GradientAccumulator(gradients, settled.balance))
        #expect(dx[0].elements.areFinite)
        #expect(gradients.arenas[0].areFinite)
        // Saturated scores have no gradient at all, and the expert that underflowed contributes 0.
        #expect(gradients.total(of: bias) == [0, 0, 0])
    }

    @Test("uniform routes follow the image's index, fixed ones name one expert", arguments: NetworkCase.mixtures)
    func bypassedRouters(_ test: NetworkCase) throws {
        let subject = try TestNetwork(test)
        let topK = test.gate.gate.topK
        let uniform = try routes(subject, [3, 4], .uniform)
        #expect(uniform.count == subject.network.mixtureLayers.count)
        for layer in uniform {
            #expect(layer == (0..<7).map { image in (0..<topK).map { (100 + image + $0) % 3 } })
        }
        for layer in try routes(subject, [3, 4], .fixed(2)) { #expect(layer == Array(repeating: [2], count: 7)) }

        let samples = [Array(100..<107)]
        for routing in [Routing.uniform, .fixed(2)] {
            let pass = subject.pass(.running, routing: routing, samples: samples)
            let outcome = try subject.forward([subject.images], pass)
            #expect(outcome.balanceLoss == 0)
            for router in outcome.settled.routers {
                #expect(router.global.chosen.reduce(0, +) == Double(routing == .uniform ? 7 * topK : 7))
            }
            let gradients = Gradients(subject.parameters)
            _ = try subject.network.backward(
                outcome.dLogits, outcome.tape, pass, into: GradientAccumulator(gradients, outcome.settled.balance),
                wantsInput: false)
            for slot in subject.parameters.slots where slot.group == .router {
                #expect(gradients.total(of: slot).areZero, "\(slot.name) was asked nothing")
            }
        }
    }

    /// What the reference's tests say of its layer: one output an image, and experts that change nothing change nothing.
    @Test("experts that are the identity give back the images", arguments: [1, 10], [1, 2, 4])
    func identity(_ images: Int, _ topK: Int) throws {
        let bench = LayerBench()
        let settings = RouterSettings(
            experts: 4, gate: Gate(topK: topK, isStraightThrough: topK == 1, renormalizes: true), balance: .switchLoss,
            balanceWeight: 0.5)
        let router = Router("moe", inputs: 5, settings, bench.parameters)
        let experts = (0..<4).map {
            Convolution(
                "moe.experts.\($0)", inputs: 5, outputs: 5, kernel: 1, stride: 1, bench.parameters, .constant(0),
                owner: ExpertOwner(layer: "moe", expert: $0))
        }
        bench.parameters.initialize(seed: 1)
        for expert in experts {
            bench.parameters.update { for channel in 0..<5 { $0.values(of: expert.weight)[channel * 6] = 1 } }
        }
        let x = bench.random([images, 3, 2, 5], 1)
        let layer = ExpertConvolution(router: router, experts: experts)
        let y = try layer.forward([x], scale: nil, bench.pass()).y[0]
        #expect(y.shape == x.shape)
        // Renormalised weights add up to s / (s + 1e-5).
        for (found, known) in zip(y.elements, x.elements) { #expect(abs(found - known) < 1e-4) }
    }

    @Test("a fixed expert is that expert's network, weight 1")
    func fixedExpert() throws {
        let mixture = try TestNetwork(NetworkCase(kind: .conv, gate: .renormalised))
        let dense = try TestNetwork(.dense)
        for slot in dense.parameters.slots {
            let name = slot.name
            let source = mixture.parameters.slots.first {
                $0.name == name || $0.name == name.replacing(".weight", with: ".experts.1.weight")
            }
            guard let source else { continue }
            let filter = mixture.parameters.values(of: source)
            dense.parameters.update { _ = $0.values(of: slot).update(from: filter) }
        }
        let expected = try dense.inputGradient([dense.images], dense.pass(.running))
        let found = try mixture.inputGradient(
            [mixture.images], mixture.pass(.running, routing: .fixed(1), samples: [Array(0..<7)]))
        #expect(found.logits[0].toArray() == expected.logits[0].toArray())
        #expect(found.gradient[0].toArray() == expected.gradient[0].toArray())
    }

    @Test(
        "an expert without images anywhere has zero gradients and keeps its statistics",
        arguments: NetworkCase.mixtures, [Normalization.local, .synchronized])
    func idleExperts(_ test: NetworkCase, _ normalization: Normalization) throws {
        let subject = try TestNetwork(test)
        // Expert 0 is out of reach for every image.
        for slot in subject.parameters.slots where slot.name.hasSuffix("router.bias") {
            subject.parameters.update { $0.values(of: slot)[0] = -300 }
        }
        let statistics = Array(subject.parameters.statistics)
        let x = subject.shards([3, 4])
        let pass = subject.pass(normalization)
        let outcome = try subject.forward(x, pass)
        #expect(outcome.taskLoss.isFinite && outcome.balanceLoss.isFinite)
        let gradients = Gradients(subject.parameters, shards: 2)
        let dx = try subject.network.backward(
            outcome.dLogits, outcome.tape, pass, into: GradientAccumulator(gradients, outcome.settled.balance),
            wantsInput: true)
        #expect(dx.allSatisfy { $0.elements.areFinite })
        for slot in subject.parameters.slots {
            let isIdle = slot.owner?.expert == 0
            if slot.isStatistic {
                let isUnchanged = Array(subject.parameters.values(of: slot)) == Array(statistics[slot.range])
                #expect(isUnchanged == isIdle, "\(slot.name)")
            } else {
                let gradient = gradients.total(of: slot)
                #expect(gradient.areFinite, "\(slot.name)")
                if let owner = slot.owner { #expect(outcome.settled.isIdle(owner) == isIdle) }
                if isIdle {
                    #expect(gradient.areZero, "\(slot.name)")
                } else if slot.owner != nil {
                    #expect(gradient.contains { $0 != 0 }, "\(slot.name)")
                }
            }
        }
    }

    @Test("all images may go to one expert", arguments: NetworkCase.mixtures.filter { $0.gate.gate.topK == 1 })
    func oneExpertForAll(_ test: NetworkCase) throws {
        let subject = try TestNetwork(test)
        for slot in subject.parameters.slots where slot.name.hasSuffix("router.bias") {
            subject.parameters.update { $0.values(of: slot)[1] = 300 }
        }
        let outcome = try subject.forward([subject.images], subject.pass(.local))
        for router in outcome.settled.routers { #expect(router.global.chosen == [0, 7, 0]) }
        let gradients = Gradients(subject.parameters)
        _ = try subject.network.backward(
            outcome.dLogits, outcome.tape, subject.pass(.local),
            into: GradientAccumulator(gradients, outcome.settled.balance), wantsInput: false)
        #expect(gradients.arenas[0].areFinite)
        // The same network with that expert fixed, but for the routers.
        func logits(_ routing: Routing) throws -> [Float] {
            try subject.forward(
                [subject.images], subject.pass(.running, routing: routing, samples: [Array(0..<7)])
            ).logits[0].toArray()
        }
        #expect(try logits(.fixed(1)) == logits(.learned(nil)))
    }
}
