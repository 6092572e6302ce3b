import Attacks
import Collectives
import Datasets
import NetworkAttacks
import Networks
import Tensors
import Testing

@testable import Configuration
@testable import Evaluation

extension RankTests.Evaluations {
    /// A perturbation of the test's images, made by ranks in batches of 5, 5 and 1 images.
    private func made(
        _ network: Network, _ configuration: RunConfiguration, chunk: Int, _ communicator: any Communicator
    ) throws -> UniversalPerturbation {
        var entry = RunConfiguration.Attack()
        entry.name = .universal
        entry.epsilon = 0.1
        entry.stepSize = 0.02
        entry.steps = 6
        let attack = try #require(entry.networkAttack)
        var perturbation = try #require(attack.search as? UniversalPerturbation)
        var crafting = UniversalCrafting(
            PassFactory(
                network, workspace: Workspace(), filters: FilterCache(capacityMegabytes: 64),
                routing: configuration.routingRule),
            communicator, chunk: chunk, seed: 3)
        crafting.batch = 5
        try crafting.make(&perturbation, attack, images, Array(0..<images.count)[...])
        return perturbation
    }

    @Test("A universal perturbation has the same bits on any number of ranks, and raises the loss it is made for")
    func universal() throws {
        var configuration = RunConfiguration()
        configuration.model.width = 8
        configuration.moe.kind = .given(.conv)
        configuration.moe.experts = 2
        var settings = configuration.networkSettings(RankScene.traits)
        settings.blocks = [1, 1, 1, 1]
        let network = try Network(settings, seed: 5)
        let alone = try made(network, configuration, chunk: 2, SoloCommunicator())
        #expect(try made(network, configuration, chunk: 2, communicator) == alone)
        #expect(alone.change.count == RankScene.traits.imageSize)
        #expect(alone.change.allSatisfy { abs($0) <= 0.1 } && alone.change.contains { abs($0) == 0.1 })
        // Other parts round differently, and a sign may turn where a gradient is next to nothing.
        let whole = try made(network, configuration, chunk: 64, SoloCommunicator())
        let differing = zip(whole.change, alone.change).count { $0 != $1 }
        #expect(differing <= alone.change.count / 20, "\(differing) of \(alone.change.count)")
        let evaluator = Evaluator(
            PassFactory(
                network, workspace: Workspace(), filters: FilterCache(capacityMegabytes: 64),
                routing: configuration.routingRule),
            SoloCommunicator(), chunk: 4, seed: 3)
        var entry = RunConfiguration.Attack()
        entry.name = .universal
        var attack = try #require(entry.evaluatedAttack)
        attack.stages[0].search = alone
        let found = try evaluator.run(images, Array(0..<images.count), attacks: [attack]).result
        let inputs = try #require(found).inputs
        #expect(inputs[1].taskLoss > inputs[0].taskLoss + 0.01, "\(inputs.map(\.taskLoss))")
    }
}
