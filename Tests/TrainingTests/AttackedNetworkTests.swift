import Networks
import Tensors
import TestSupport
import Testing

@testable import Attacks
@testable import NetworkAttacks

@Suite("attacked networks")
struct AttackedNetworkTests {
    private let workspace = Workspace()

    private func pass(_ network: Network, _ normalization: Normalization) -> Pass {
        Pass(
            parameters: network.parameters, workspace: workspace, filters: FilterCache(capacityMegabytes: 1),
            normalization: normalization, samples: [[0, 1, 2]])
    }

    private var images: Tensor {
        let images = Tensor(workspace, images: 3, height: 8, width: 8, channels: 2)
        var stream = RandomStream(seed: 4, purpose: .synthetic)
        for index in 0..<images.count { images.pointer[index] = stream.uniform() }
        return images
    }

    @Test("Only gradients of an attack that is told to move the running statistics, once each")
    func statistics() throws {
        let objective = CrossEntropyObjective(labels: [[0, 1, 2]])
        for (normalization, updates, expected) in [
            (Normalization.local, true, 2), (.local, false, 0), (.running, true, 0), (.synchronized, true, 2),
        ] as [(Normalization, Bool, Float)] {
            let network = try TinyNetwork.make()
            let weights = Array(network.parameters.values)
            let target = NetworkTarget(network, pass(network, normalization), movesStatistics: updates)
            for draw in 0..<2 { _ = try target.outputsAndInputGradient([images], objective, draw: draw) }
            _ = try target.outputs([images], readsRouters: objective.readsRouters, draw: 2)
            for slot in network.parameters.slots where slot.layout == .counter {
                #expect(network.parameters.values(of: slot)[0] == expected, "\(slot.name), \(normalization)")
            }
            #expect(Array(network.parameters.values) == weights)
        }
    }

    @Test("Outcomes tell losses and whether predictions are right")
    func outcomes() throws {
        let network = try TinyNetwork.make()
        let pass = pass(network, .running)
        let (logits, _) = try network.forward([images], pass)
        let predictions = CrossEntropy.predictions(logits[0])
        var labels = predictions
        labels[1] = (labels[1] + 1) % 3
        let objective = CrossEntropyObjective(labels: [labels])
        var inquiry = Inquiry(NetworkTarget(network, pass), objective, labels: [labels])
        let outcome = try inquiry.outcomes([images])[0]
        #expect(outcome.isCorrect == [true, false, true])
        #expect(outcome.losses == CrossEntropy.evaluate(logits[0], labels, divisor: 1).losses)
        let (both, gradient) = try inquiry.outcomesAndGradient([images])
        #expect(both[0].losses == outcome.losses && both[0].isCorrect == outcome.isCorrect)
        #expect(gradient[0].elements.contains { $0 != 0 })
    }

    @Test("Routes of clean images can be given to later passes, and noise of other passes is other noise")
    func routes() throws {
        let network = try TinyNetwork.make()
        var pass = pass(network, .running)
        let record = PassRecord()
        var recorded = pass
        recorded.record = record
        _ = try network.forward([images], recorded)
        let routes = record.givenRoutes
        #expect(Set(routes.keys) == Set(network.mixtureLayers))
        let (expected, _) = try network.forward([images], pass)
        pass.given = routes
        let (found, _) = try network.forward([images], pass)
        #expect(found[0].toArray() == expected[0].toArray())
        // All to one expert is another network.
        pass.given = ["layer2.0.conv1": .expert(0)]
        let (first, _) = try network.forward([images], pass)
        pass.given = ["layer2.0.conv1": .expert(1)]
        #expect(try network.forward([images], pass).logits[0].toArray() != first[0].toArray())

        // Images carried on alone take their own routes along, whoever decides them.
        var (given, uniform) = (pass, pass)
        given.given = [
            "layer2.0.conv1": .routes([Routes(choices: 1, experts: [0, 1, 1], weights: [1, 0.5, 2])])
        ]
        uniform.given = [:]
        uniform.routing = .uniform
        for whole in [given, uniform] {
            let all = try network.forward([images], whole).logits[0].toArray()
            for (chosen, place) in [([2, 0], 0), ([2, 0], 1), ([1], 0)] {
                let target = NetworkTarget(network, whole).selecting([chosen]).selecting([[place]])
                let image = ImageSelection.gather(images, [chosen[place]])
                let found = try target.outputs([image], readsRouters: false, draw: 0)[0].logits.toArray()
                let expected = all[3 * chosen[place]..<3 * chosen[place] + 3]
                #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 })
            }
        }

        let noise = TrainingRouting(noise: 1, seed: 5, step: 2)
        #expect(noise.redrawn(0) == noise)
        #expect(Set((0..<8).map { noise.redrawn($0).seed }).count == 8)
    }
}
