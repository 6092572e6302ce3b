import NetworkAttacks
import Networks
import Tensors
import TestSupport
import Testing

@testable import Attacks
@testable import Configuration
@testable import Training

extension RankTests {
    @Suite("An attack over ranks")
    @MainActor
    struct AttackAgreement {
        let communicator = Ranks.communicator

        private func adversarial(
            _ scene: RankScene, _ ranges: [Range<Int>], _ statistics: any BatchStatistics
        ) throws -> (pixels: [Float], outcomes: [AttackOutcome]) {
            let configuration = scene.configuration
            let passes = PassFactory(
                scene.network, workspace: scene.workspace, filters: scene.filters, arithmetic: scene.arithmetic,
                normalization: .synchronized, routing: configuration.routingRule, statistics: statistics)
            let batch = AttackBatch(
                images: ranges.map(scene.part), labels: ranges.map { Array(scene.labels[$0]) },
                samples: ranges.map { Array(scene.samples[$0]) }, seed: 1, step: 2)
            let attack = try #require(configuration.attack.networkAttack)
            let images = try attack.perturb(batch, passes)
            let target = NetworkTarget(
                scene.network, passes.attack(attack, samples: batch.samples, step: batch.step, draw: 0))
            var inquiry = Inquiry(target, CrossEntropyObjective(labels: batch.labels), labels: batch.labels)
            return (images.flatMap { $0.toArray() }, try inquiry.outcomes(images))
        }

        @Test(
            "Pixels, loss and predictions are those of the attack on the whole batch",
            arguments: MixtureCase.all.filter { $0.loss == .switchLoss }, [true, false])
        func agreement(mixture: MixtureCase, isFrozen: Bool) throws {
            for arithmetic in [Arithmetic.fast, .exact] {
                var configuration = mixture.configuration
                configuration.kernels.arithmetic = arithmetic
                // Batch moments tie all images to the first route that flips; then only one step is comparable.
                configuration.attack.steps = isFrozen ? 5 : 1
                configuration.attack.batchNorm = isFrozen ? .frozen : .batch
                let scene = try RankScene(configuration, images: 40)
                let before = Array(scene.network.parameters.statistics)
                let whole = try adversarial(scene, [0..<scene.count], SoloStatistics())
                for shards in [1, 3] {
                    let numbers = communicator.rank * shards..<(communicator.rank + 1) * shards
                    let ranges = numbers.map { scene.range($0, of: communicator.size * shards) }
                    let own = try adversarial(
                        scene, ranges, CommunicatorStatistics(communicator: communicator, isOrdered: shards > 1))
                    let pixels = try communicator.allGather(own.pixels)
                    let losses = try communicator.allGather(own.outcomes.flatMap(\.losses))
                    let right = try communicator.allGather(own.outcomes.flatMap { $0.isCorrect.map { $0 ? 1.0 : 0.0 } })
                    #expect(pixels.count == whole.pixels.count)
                    let equal = zip(pixels, whole.pixels).count { $0 == $1 }
                    #expect(Double(equal) >= 0.97 * Double(pixels.count))
                    let mean = losses.reduce(0, +) / 40
                    #expect(abs(mean - whole.outcomes[0].losses.reduce(0, +) / 40) <= 1e-4)
                    #expect(right == whole.outcomes[0].isCorrect.map { $0 ? 1 : 0 })
                }
                #expect(Array(scene.network.parameters.statistics) == before)
                // The attack does something that ranks could disagree on.
                #expect(whole.pixels != scene.pixels)
            }
        }
    }
}
