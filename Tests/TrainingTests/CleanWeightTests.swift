import Collectives
import Datasets
import Networks
import TestSupport
import Tensors
import Testing

@testable import Configuration
@testable import Training

@Suite("attacked and weighted clean images")
struct CleanWeightTests {
    /// How far each parameter goes in a first step of plain gradient descent.
    private func moves(_ settings: [String]) throws -> (values: [Float], outcome: UpdateOutcome) {
        let traits = DatasetTraits(
            classNames: ["a", "b", "c", "d"], height: 12, width: 12, channels: 3, mean: [0.5, 0.5, 0.5],
            standardDeviation: [0.25, 0.25, 0.25], augmentations: [])
        let layers =
            [
                "model.width=8", "attack.steps=2", "training.optimizer.momentum=0", "training.optimizer.weight_decay=0",
                "training.optimizer.rate=1", "training.schedule.name=constant", "kernels.arithmetic=exact",
            ] + settings
        let configuration = try RunConfiguration.resolve(layers: layers.map { ConfigurationLayer(override: $0) })
        let network = try Network(configuration.networkSettings(traits), seed: 2)
        let (communicator, workspace) = (SoloCommunicator(), Workspace())
        let step = TrainingStep(
            network, configuration.trainingSettings(stepsPerEpoch: 1, ranks: 1),
            method: configuration.trainingMethod(traits, communicator), communicator: communicator, workspace: workspace
        )
        let images = HashedValues(salt: "clean").images(workspace, 8, channels: 3, height: 12, width: 12)
        let batch = TrainingBatch(
            images: [images], labels: [(0..<8).map { $0 % 4 }], samples: [Array(0..<8)], globalSize: 8)
        let before = Array(network.parameters.values)
        let outcome = try step.run(batch, step: 0, wantsToStop: false)
        return (
            zip(network.parameters.values, before).map { $0 - $1 }, try #require(outcome.updates.first)
        )
    }

    @Test("the step is that of the attacked images and the weighted one of the clean, with a row of each")
    func sum() throws {
        let attacked = try moves(["training.method=pgd"])
        let clean = try moves(["training.method=standard"])
        let both = try moves(["training.method=pgd", "training.clean_weight=0.5"])
        #expect(both.outcome.passes.count == 2)
        let losses = both.outcome.passes.map(\.lossSum)
        #expect(losses[0] == attacked.outcome.passes[0].lossSum)
        // The attacked pass has moved running means, around which moments are summed.
        #expect(abs(losses[1] - 0.5 * clean.outcome.passes[0].lossSum) < 1e-5)
        let scale = attacked.values.map(abs).max() ?? 0
        #expect(scale > 0)
        for index in both.values.indices {
            let expected = attacked.values[index] + 0.5 * clean.values[index]
            // Sums of float32 in another order.
            #expect(abs(both.values[index] - expected) <= 1e-5 * scale, "parameter \(index)")
        }
    }

    @Test("without an attack there is nothing to weigh")
    func refused() {
        for settings in [
            ["training.method=standard", "training.clean_weight=1"],
            ["training.method=pgd", "attack.name=none", "training.clean_weight=1"],
        ] {
            #expect(throws: (any Error).self) {
                _ = try RunConfiguration.resolve(layers: settings.map { ConfigurationLayer(override: $0) })
            }
        }
    }
}
