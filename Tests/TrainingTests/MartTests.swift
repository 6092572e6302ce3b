import Attacks
import Collectives
import Datasets
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Configuration
@testable import Training
@testable import Weights

/// What PyTorch made of MART: see the doc string of `Fixtures/make_mart.py`.
private struct MartFixture: Decodable {
    struct Step: Decodable {
        let loss: Double
        let cleanRight: Int
        let attackedRight: Int
    }
    let salt: String
    let width: Int
    let size: Int
    let gain: Double
    let rate: Double
    let momentum: Double
    let weightDecay: Double
    let beta: Double
    let steps: [Step]
    let values: [String: AdvMoEFixture.Probe]

    static func load() throws -> MartFixture {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/mart.json")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(MartFixture.self, from: Data(contentsOf: file))
    }

    func images(_ name: String, _ workspace: Workspace) -> Tensor {
        HashedValues(salt: "\(salt)/\(name)").images(workspace, 8, channels: 3, height: size, width: size)
    }
}

/// Mixes other images into those of a step.
private struct Mixing: Attack {
    let salt: String

    func perturb(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) throws -> [Tensor] {
        let images = batch.images[0]
        let others = HashedValues(salt: "\(salt)/attacked\(batch.step)").images(
            images.workspace, images.images, channels: images.channels, height: images.height, width: images.width)
        for index in 0..<images.count {
            others.pointer[index] = 0.9 * images.pointer[index] + 0.1 * others.pointer[index]
        }
        return [others]
    }
}

@Suite("MART")
struct MartTests {
    @Test("three steps are PyTorch's: losses, right predictions and weights")
    func parity() throws {
        let fixture = try MartFixture.load()
        let configuration = try RunConfiguration.resolve(
            layers: [
                "model.width=\(fixture.width)", "model.normalize=none", "training.method=mart",
                "training.mart.beta=\(fixture.beta)", "training.optimizer.rate=\(fixture.rate)",
                "training.optimizer.momentum=\(fixture.momentum)",
                "training.optimizer.weight_decay=\(fixture.weightDecay)", "training.schedule.name=constant",
                "kernels.arithmetic=exact",
            ].map { ConfigurationLayer(override: $0) })
        let traits = DatasetTraits(
            classNames: (0..<10).map(String.init), height: fixture.size, width: fixture.size, channels: 3,
            mean: [0, 0, 0], standardDeviation: [1, 1, 1], augmentations: [])
        let network = try Network(configuration.networkSettings(traits), seed: 1)
        HashedValues(salt: fixture.salt).fill(network.parameters, gain: fixture.gain, routerGain: 1)
        let (communicator, workspace) = (SoloCommunicator(), Workspace())
        var settings = configuration.trainingSettings(stepsPerEpoch: 1, ranks: 1)
        settings.attack?.search = Mixing(salt: fixture.salt)
        let step = TrainingStep(
            network, settings, method: configuration.trainingMethod(traits, communicator), communicator: communicator,
            workspace: workspace)
        for (number, known) in fixture.steps.enumerated() {
            let batch = TrainingBatch(
                images: [fixture.images("batch\(number)", workspace)],
                labels: [(0..<8).map { Int32((7 * $0 + 3 * number) % 10) }], samples: [Array(0..<8)], globalSize: 8)
            let update = try #require(try step.run(batch, step: number, wantsToStop: false).updates.first)
            let loss = update.passes.reduce(0) { $0 + $1.lossSum } / 8
            #expect(abs(loss - known.loss) <= 1e-4 * known.loss, "step \(number): \(loss), \(known.loss)")
            #expect(update.passes.map(\.correct) == [known.cleanRight, known.attackedRight])
        }
        for (name, known) in fixture.values {
            let slot = try #require(network.parameters.slots.first { $0.name == name })
            let tensor = ModelTensors.tensor(slot, name: name, network.parameters.values(of: slot), nil)
            guard case .float(let floats) = tensor.values else { continue }
            let values = floats.map(Double.init)
            // A multiple of PyTorch's own rounding, and what a unit that rounding carries over its kink moves.
            let limit = 8 * known.error + 2e-4 * known.norm
            for (value, exact) in zip(AdvMoEScene.probes(values, known.values.count), known.values) {
                #expect(abs(value - exact) <= limit, "\(name): \(value), known \(exact)")
            }
        }
    }

    @Test("gradients of the loss are its differences")
    func gradients() {
        let workspace = Workspace()
        var stream = RandomStream(seed: 5, purpose: .synthetic)
        func logits() -> Tensor {
            let tensor = Tensor(workspace, images: 3, channels: 4)
            for index in 0..<tensor.count { tensor.pointer[index] = 2 * stream.normal() }
            return tensor
        }
        let (clean, attacked, labels) = (logits(), logits(), [Int32(0), 3, 1])
        let loss = Mart.loss(clean, attacked, labels, beta: 5, divisor: 2)
        let step: Float = 1e-2
        for (tensor, gradient) in [(clean, loss.dClean), (attacked, loss.dAttacked)] {
            for index in 0..<tensor.count {
                let value = tensor.pointer[index]
                tensor.pointer[index] = value + step
                let above = Mart.loss(clean, attacked, labels, beta: 5, divisor: 2).sum
                tensor.pointer[index] = value - step
                let below = Mart.loss(clean, attacked, labels, beta: 5, divisor: 2).sum
                tensor.pointer[index] = value
                let difference = (above - below) / (4 * Double(step))
                // The third derivative times the square of the step.
                #expect(abs(difference - Double(gradient.pointer[index])) <= 2e-3, "element \(index)")
            }
        }
    }
}
