import Collectives
import Datasets
import Networks
import TestSupport
import Tensors
import Testing

@testable import Configuration
@testable import Training

/// A training step on a small network of some configuration, one side of which stands still.
private struct FrozenScene {
    static let traits = DatasetTraits(
        classNames: ["a", "b", "c", "d"], height: 12, width: 12, channels: 3, mean: [0.5, 0.5, 0.5],
        standardDeviation: [0.25, 0.25, 0.25], augmentations: [])

    let network: Network
    let step: TrainingStep
    let workspace = Workspace()

    init(_ settings: [String]) throws {
        let layers = ["model.width=8", "moe.experts=2", "training.method=pgd", "attack.steps=1"] + settings
        let configuration = try RunConfiguration.resolve(layers: layers.map { ConfigurationLayer(override: $0) })
        network = try Network(configuration.networkSettings(Self.traits), seed: 2)
        // Statistics as of a network that was trained: none of them 0 or 1.
        HashedValues(salt: "frozen").fill(network.parameters, gain: 1, routerGain: 1)
        let communicator = SoloCommunicator()
        step = TrainingStep(
            network, configuration.trainingSettings(stepsPerEpoch: 4, ranks: 1),
            method: configuration.trainingMethod(Self.traits, communicator), communicator: communicator,
            workspace: workspace)
    }

    func batch(_ number: Int) -> TrainingBatch {
        let images = HashedValues(salt: "frozen\(number)").images(workspace, 8, channels: 3, height: 12, width: 12)
        return TrainingBatch(
            images: [images], labels: [(0..<8).map { $0 % 4 }], samples: [Array(0..<8)], globalSize: 8)
    }

    func run(_ number: Int) throws -> UpdateOutcome {
        try #require(try step.run(batch(number), step: number, wantsToStop: false).updates.first)
    }

    /// The bits of every tensor, counters and running statistics among them.
    func bits() -> [String: [UInt32]] {
        Dictionary(
            uniqueKeysWithValues: network.parameters.slots.map {
                ($0.name, network.parameters.values(of: $0).map(\.bitPattern))
            })
    }
}

@Suite("What is not trained")
struct FrozenParametersTests {
    private static let networks = [
        ["moe.kind=conv", "moe.placement=[layer3,layer4]", "moe.router=double-conv-gap", "moe.router_kernel=1"],
        ["moe.kind=block", "moe.router=double-conv-gap", "moe.router_kernel=1"],
        ["moe.kind=channel", "model.ratio=0.5"],
        ["moe.kind=channel", "model.ratio=0.5", "moe.scope=image", "moe.router=resnet20"],
        ["moe.kind=conv", "model.architecture=preact-resnet18"],
    ]

    @Test(
        "stays as it is to the bit: parameters, running statistics, counters and averages, under attacks that move them too",
        arguments: [TrainedParameters.router, .experts], networks)
    func bits(_ parameters: TrainedParameters, _ network: [String]) throws {
        for more in [["attack.batch_norm=batch-updating"], ["distributed.batch_norm=synchronized"]] {
            let scene = try FrozenScene(
                network + ["training.parameters=\(parameters.rawValue)", "training.weight_average=0.9"] + more)
            let before = scene.bits()
            for number in 0..<3 { _ = try scene.run(number) }
            func compare(_ what: String) {
                let after = scene.bits()
                for slot in scene.network.parameters.slots where !parameters.groups.contains(slot.group) {
                    #expect(after[slot.name] == before[slot.name], "\(what): \(slot.name), \(more)")
                }
                for slot in scene.network.parameters.slots where parameters.groups.contains(slot.group) {
                    guard slot.owner == nil, !slot.name.hasSuffix("num_batches_tracked") || what == "weights" else {
                        continue
                    }
                    #expect(after[slot.name] != before[slot.name], "\(what): \(slot.name) is trained, \(more)")
                }
            }
            compare("weights")
            scene.step.average?.withAverages(in: scene.network) { compare("averages") }
        }
    }

    @Test("of a network that learns scores, everything but scores and batch norms stays as it is to the bit")
    func scores() throws {
        let scene = try FrozenScene(["training.parameters=scores"])
        let before = scene.bits()
        for number in 0..<3 { _ = try scene.run(number) }
        let after = scene.bits()
        let scores = try #require(scene.step.scores)
        let names = scene.network.parameters.slots.filter { !$0.isStatistic && !scores.trains($0) }.map(\.name)
        #expect(names.contains("conv1.weight") && names.contains("layer2.0.downsample.0.weight"))
        for name in names { #expect(after[name] == before[name], "\(name)") }
        #expect(after["bn1.running_mean"] != before["bn1.running_mean"])
    }

    @Test("is normalised by running statistics in training passes: their loss is that of the network as it is used")
    func normalization() throws {
        for kind in ["conv", "block", "channel"] {
            let scene = try FrozenScene(
                ["moe.kind=\(kind)", "training.parameters=router", "kernels.arithmetic=exact", "attack.name=none"])
            let batch = scene.batch(0)
            let (logits, _) = try scene.network.forward(
                batch.images, scene.step.passes.frozen(samples: batch.samples))
            let expected = CrossEntropy.evaluate(logits[0], batch.labels[0], divisor: 8).losses.reduce(0, +)
            let found = try scene.run(0).passes[0].lossSum
            #expect(abs(found - expected) <= 1e-6 * expected, "\(kind): \(found), \(expected)")
        }
    }
}
