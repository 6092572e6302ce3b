import Datasets
import Foundation
import Tensors
import Testing

@testable import Configuration
@testable import Networks

/// One of the mixtures that the tests over ranks go through.
struct MixtureCase: CustomTestStringConvertible, Sendable {
    let kind: ExpertKind
    let topK: Int
    let loss: BalanceLoss
    var router = RouterName.gapLinear

    /// With routers that are heads on one network on the image.
    static let onTrunk = MixtureCase(kind: .conv, topK: 2, loss: .switchLoss, router: .resnet20)

    static let all = [ExpertKind.conv, .block].flatMap { kind in
        [1, 2].flatMap { topK in
            [BalanceLoss.entropy, .switchLoss].map {
                MixtureCase(kind: kind, topK: topK, loss: $0)
            }
        }
    }

    var testDescription: String { "\(kind.rawValue) k=\(topK) \(loss.rawValue) \(router.rawValue)" }

    /// A run's configuration, the mixture in the middle of the network.
    var configuration: RunConfiguration {
        var result = RunConfiguration()
        result.model.width = 8
        result.moe.kind = .given(kind)
        result.moe.topK = topK
        result.moe.router = router
        result.moe.placement = ["layer2.0"]
        result.moe.balance.loss = .given(loss)
        result.distributed.batchNorm = .synchronized
        return result
    }
}

/// A narrow network of two or three blocks, the second one a mixture, and images for it: small enough for every rank to
/// hold all of it.
struct RankScene {
    static let traits = DatasetTraits(
        classNames: ["a", "b", "c", "d", "e"], height: 8, width: 8, channels: 3, mean: [0.5, 0.5, 0.5],
        standardDeviation: [0.25, 0.25, 0.25], augmentations: [])

    let configuration: RunConfiguration
    let network: Network
    let workspace = Workspace()
    let filters = FilterCache(capacityMegabytes: 64)
    let pixels: [Float]
    let labels: [Int32]
    let samples: [Int]

    var count: Int { labels.count }
    var arithmetic: Arithmetic { configuration.kernels.arithmetic }

    /// Builds the network; its running statistics are those of the images, its routers spread them.
    ///
    /// - Parameters:
    ///   - isSteady: Shifts every batch norm by 4, so that no unit switches when sums round differently; then nothing
    ///     follows the mixture, since gradients behind it would cancel to a few digits.
    ///   - samples: The index in the data set of every image, or nil for indices that are no positions.
    init(_ configuration: RunConfiguration, images count: Int, isSteady: Bool = false, samples: [Int]? = nil) throws {
        var settings = configuration.networkSettings(RankScene.traits)
        settings.blocks = isSteady ? [1, 1] : [1, 2]
        self.configuration = configuration
        network = try Network(settings, seed: 5)
        self.samples = samples ?? (0..<count).map { ($0 * 37 + 11) % 101 }
        labels = (0..<count).map { Int32($0 * 3 % 5) }
        pixels = (0..<count).flatMap(RankScene.image)
        if isSteady {
            for slot in network.parameters.slots where slot.name.contains(/(bn\d|downsample\.1)\.(bias|weight)$/) {
                network.parameters.update {
                    $0.values(of: slot).update(repeating: slot.name.hasSuffix("bias") ? 4 : 0.8)
                }
            }
        }
        let whole = [part(0..<count)]
        try spreadRouters(whole)
        for _ in 0..<40 { try settle(whole) }
    }

    /// An image with a colour and a pattern of its own.
    private static func image(_ index: Int) -> [Float] {
        var stream = RandomStream(seed: 9, purpose: .synthetic, step: 3, index: index)
        let color = (0..<3).map { _ in 0.2 + 0.6 * stream.uniform() }
        let slope = 0.2 * stream.uniform()
        return (0..<traits.imageSize).map { place in
            let wave = slope * sin(Float(place / 3 % 8) * (0.3 + 0.2 * Float(index % 5)))
            return min(max(color[place % 3] + wave + 0.4 * stream.uniform() - 0.2, 0), 1)
        }
    }

    /// Images `range` in memory of their own.
    func part(_ range: Range<Int>) -> Tensor {
        let tensor = Tensor(workspace, images: range.count, height: 8, width: 8, channels: 3)
        let size = RankScene.traits.imageSize
        for index in 0..<tensor.count { tensor.pointer[index] = pixels[range.lowerBound * size + index] }
        return tensor
    }

    /// The images of part `number` when all are cut into `parts`, as ranks and shards cut a batch.
    func range(_ number: Int, of parts: Int) -> Range<Int> { number * count / parts..<(number + 1) * count / parts }

    /// A pass over parts of the images.
    func pass(
        _ ranges: [Range<Int>], _ normalization: Normalization, folds: Bool = false,
        _ statistics: any BatchStatistics = SoloStatistics(), record: PassRecord? = nil
    ) -> Pass {
        Pass(
            parameters: network.parameters, workspace: workspace, filters: filters, arithmetic: arithmetic,
            normalization: normalization, folds: folds, routing: configuration.routingRule.training(step: 3),
            statistics: statistics, samples: ranges.map { Array(samples[$0]) }, record: record)
    }

    private func settle(_ whole: [Tensor]) throws {
        let record = PassRecord()
        _ = try network.forward(whole, pass([0..<count], .synchronized, record: record))
        _ = try record.settle(extra: [[]], SoloStatistics(), network.parameters)
    }

    /// Makes routers decided, and moves their biases until all experts are equally likely.
    private func spreadRouters(_ whole: [Tensor]) throws {
        func update(_ name: String, _ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
            guard let slot = network.parameters.slots.first(where: { $0.name == name }) else { fatalError(name) }
            network.parameters.update { body($0.values(of: slot)) }
        }
        for layer in network.mixtureLayers {
            update("\(layer).router.weight") { for index in $0.indices { $0[index] *= 2 } }
        }
        for number in network.mixtureLayers.indices {
            let record = PassRecord()
            _ = try network.forward(whole, pass([0..<count], .synchronized, record: record))
            let router = record.routers[number]
            if router.perShard[0].scores.isEmpty { return }
            update("\(router.layer).router.bias") { bias in
                for expert in bias.indices {
                    let logs = (0..<count).map { log(router.perShard[0].scores[$0 * bias.count + expert] + 1e-30) }
                    bias[expert] -= logs.reduce(0, +) / Float(count)
                }
            }
        }
    }
}
