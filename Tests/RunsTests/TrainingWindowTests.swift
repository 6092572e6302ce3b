import Foundation
import Networks
import Testing

@testable import Files
@testable import Runs
@testable import Training

@Suite("training windows")
struct TrainingWindowTests {
    private let position = RowPosition(epoch: 2, step: 9, split: "train", inputs: "clean")

    /// Sums of a layer of two experts.
    private func sums(images: Double, probability: [Double], chosen: [Double], entropy: Double) -> RouterSums {
        var result = RouterSums(experts: 2)
        result.images = images
        result.probability = probability
        result.best = chosen
        result.chosen = chosen
        result.entropy = entropy
        return result
    }

    private func layer(_ sums: RouterSums) -> ExpertUsage {
        ExpertUsage(layer: "layer4.0.conv1", sums: sums)
    }

    private func pass(lossSum: Double, correct: Int) -> PassOutcome {
        PassOutcome(lossSum: lossSum, correct: correct, balanceLoss: 0, layers: [])
    }

    @Test("A row holds means over images, the last rate and the mean norm of steps")
    func metrics() {
        var window = TrainingWindow()
        #expect(window.isEmpty)
        window.add(pass(lossSum: 6, correct: 1), images: 3, gradientNorm: 2, learningRate: 0.5)
        window.add(pass(lossSum: 4, correct: 1), images: 1, gradientNorm: 4, learningRate: 0.25)
        window.samples = 4
        window.balanceSum = 2
        window.loopSeconds = 8
        window.attackSeconds = 5
        window.waitSeconds = 1
        window.communicationSeconds = 3
        window.backwardSeconds = 2
        window.workSeconds = 6...7
        #expect(!window.isEmpty)
        let row = window.metricsRow(position)
        #expect(row.position == position)
        #expect(row.taskLoss == 2.5 && row.balanceLoss == 0.5 && row.loss == 3)
        #expect(row.accuracy == 0.5 && row.samples == 4)
        #expect(row.learningRate == 0.25 && row.gradientNorm == 3)
        #expect(row.wallSeconds == 8 && row.imagesPerSecond == 0.5)
        #expect(row.attackSeconds == 5 && row.allreduceSeconds == 1 && row.communicationSeconds == 3)
        #expect(row.backwardSeconds == 2 && row.workSeconds == 6...7)
    }

    @Test("An image counts once a step however many updates pass over it, and means are over all of them")
    func replays() {
        func update(_ lossSum: Double, _ correct: Int) -> UpdateOutcome {
            UpdateOutcome(passes: [pass(lossSum: lossSum, correct: correct)], gradientNorm: 1, rate: 0.1)
        }
        let step = StepOutcome(
            updates: [update(8, 1), update(4, 2), update(0, 3)], isAskedToStop: false, attackSeconds: 0, waitSeconds: 0,
            communicationSeconds: 0, backwardSeconds: 0.25)
        var windows = [TrainingWindow()]
        for _ in 0..<2 { TrainingWindow.add(step, samples: 4, loopSeconds: 2, to: &windows) }
        let row = windows[0].metricsRow(position)
        #expect(row.backwardSeconds == 0.5)
        #expect(row.samples == 8 && row.imagesPerSecond == 2)
        #expect(row.taskLoss == 1 && row.accuracy == 0.5 && row.gradientNorm == 1)
        // Choices are of every pass, and so are the images of their rows.
        #expect(windows[0].passedImages == 24)
    }

    @Test("Rows of experts count, share out and name the dead")
    func experts() {
        var layers: [ExpertUsage] = []
        ExpertUsage.add([layer(sums(images: 3, probability: [2, 1], chosen: [3, 0], entropy: 1))], to: &layers)
        ExpertUsage.add([layer(sums(images: 1, probability: [1, 0], chosen: [1, 0], entropy: 0.5))], to: &layers)
        let rows = layers[0].expertRows(position)
        #expect(rows.map(\.count) == [4, 0])
        #expect(rows.map(\.fraction) == [1, 0])
        #expect(rows.map(\.probabilityMass) == [0.75, 0.25])
        #expect(rows.map(\.dead) == [false, true])
        #expect(rows.map(\.expert) == [0, 1])
        #expect(rows.allSatisfy { $0.layer == "layer4.0.conv1" && $0.position == position })
        let row = layers[0].routingRow(position, samples: 4, flipRate: 0.25)
        #expect(row.usageEntropy == 0 && row.routerEntropy == 0.375 && row.maxOverMean == 2)
        #expect(row.samples == 4 && row.flipRate == 0.25)
    }

    @Test("Usage in perfect balance has the entropy of all experts and a largest count of once the mean")
    func balanced() throws {
        let row = layer(sums(images: 4, probability: [2, 2], chosen: [2, 2], entropy: 0)).routingRow(
            position, samples: 4)
        #expect(abs(try #require(row.usageEntropy) - log(2)) < 1e-15)
        #expect(row.maxOverMean == 1 && row.flipRate == nil)
    }

    @Test("Routers that were bypassed have counts but no scores")
    func bypassed() {
        let layer = layer(sums(images: 0, probability: [0, 0], chosen: [1, 3], entropy: 0))
        #expect(layer.expertRows(position).map(\.probabilityMass) == [nil, nil])
        #expect(layer.expertRows(position).map(\.fraction) == [0.25, 0.75])
        #expect(layer.routingRow(position, samples: 4).routerEntropy == nil)
    }

    @Test("A window comes back from JSON with every bit")
    func codable() throws {
        var window = TrainingWindow()
        window.add(pass(lossSum: 0.1 + 0.2, correct: 3), images: 7, gradientNorm: .pi, learningRate: 1 / 3)
        window.layers = [layer(sums(images: 1.5, probability: [0.1, 1e-300], chosen: [1, 0], entropy: 1e17 / 3))]
        window.loopSeconds = 1e-9
        let back = try JSONDecoder().decode(TrainingWindow.self, from: JSONEncoder().encode(window))
        #expect(back == window)
    }
}
