import Attacks
import Collectives
import Datasets
import Networks
import Tensors
import Testing

@testable import Configuration
@testable import Training

@Suite("Example: a training method")
struct LogitPairingTests {
    private static let rate = 1e-4

    /// The updates of steps on one batch under one noise.
    private func updates(weight: Double, steps: Int) throws -> [UpdateOutcome] {
        let configuration = try RunConfiguration.resolve(
            layers: [
                "model.width=8", "training.method=pgd", "attack.name=gaussian-noise", "attack.epsilon=0.2",
                "training.optimizer.rate=\(Self.rate)", "training.optimizer.momentum=0",
                "training.optimizer.weight_decay=0", "training.schedule.name=constant", "kernels.arithmetic=exact",
            ].map { ConfigurationLayer(override: $0) })
        let set = try loadDataset(.synthetic, path: nil, split: .train, samples: 16)
        let workspace = Workspace()
        var settings = LogitPairing.Settings()
        settings.weight = weight
        let step = TrainingStep(
            try Network(configuration.networkSettings(set.traits), seed: 1),
            configuration.trainingSettings(stepsPerEpoch: 1, ranks: 1),
            method: LogitPairing(settings, attacked: "noise"), communicator: SoloCommunicator(), workspace: workspace)
        let (images, labels, indices) = set.chunk(0..<16, workspace: workspace)
        let batch = TrainingBatch(images: [images], labels: [labels], samples: [indices], globalSize: 16)
        return try (0..<steps).flatMap { _ in try step.run(batch, step: 0, wantsToStop: false).updates }
    }

    @Test("a step goes down the slope of the loss that it tells", arguments: [0, 0.5, 4])
    func slope(weight: Double) throws {
        let updates = try updates(weight: weight, steps: 2)
        let losses = updates.map { update in update.passes.reduce(0) { $0 + $1.lossSum } / 16 }
        let expected = Self.rate * updates[0].gradientNorm * updates[0].gradientNorm
        #expect(abs(losses[0] - losses[1] - expected) <= 0.1 * expected, "\(losses), expected \(expected) less")
    }

    @Test("pairing adds to the loss what its weight says")
    func weights() throws {
        let loss = try [0, 1, 2].map { weight in
            try updates(weight: weight, steps: 1)[0].passes.map(\.lossSum)
        }
        #expect(loss.allSatisfy { $0[0] == loss[0][0] })
        let distance = loss[1][1] - loss[0][1]
        #expect(distance > 0 && abs(loss[2][1] - loss[0][1] - 2 * distance) <= 1e-6 * distance)
    }
}
