import Tensors
import Testing

@testable import Attacks

@Suite("images that are carried on alone")
struct SelectionTests {
    private let workspace = Workspace()
    private let labels: [[Int32]] = [[0, 2, 1], [3]]
    private let chosen = [[2, 0], []]

    private func draws(_ images: Int, _ channels: Int, index: Int) -> Tensor {
        let result = Tensor(workspace, images: images, channels: channels)
        var stream = RandomStream(seed: 4, purpose: .synthetic, index: index)
        for place in 0..<result.count { result.pointer[place] = stream.normal() }
        return result
    }

    private func outputs(images: Int, index: Int) -> ModelOutputs {
        let router = draws(images, 2, index: index + 50).toArray()
        return ModelOutputs(
            logits: draws(images, 4, index: index),
            routers: [RouterOutputs(layer: "layer", experts: 2, logProbabilities: router)])
    }

    private func some(_ outputs: ModelOutputs, _ images: [Int]) -> ModelOutputs {
        ModelOutputs(
            logits: [outputs.logits].selecting([images])[0],
            routers: outputs.routers.map {
                RouterOutputs(
                    layer: $0.layer, experts: $0.experts,
                    logProbabilities: $0.logProbabilities.selecting(images, width: $0.experts))
            })
    }

    @Test("a batch keeps images, labels and samples together, in memory of its own")
    func batch() {
        let images = [draws(3, 5, index: 0), draws(1, 5, index: 1)]
        let batch = AttackBatch(images: images, labels: labels, samples: [[10, 11, 12], [13]], seed: 3, step: 7)
        let some = batch.selecting(chosen)
        let rows = [2, 0].flatMap { images[0].slice($0..<$0 + 1).toArray() }
        #expect(some.images[0].toArray() == rows && some.images[1].images == 0)
        #expect(some.labels == [[1, 0], []] && some.samples == [[12, 10], []] && some.seed == 3 && some.step == 7)
        some.images[0].fill(0)
        #expect(images[0].toArray() != [Float](repeating: 0, count: 15))
    }

    @Test("every objective says of some images what it says of them among all, and of some of these again")
    func objectives() throws {
        let reference = [draws(3, 4, index: 20), draws(1, 4, index: 21)]
        let soft: [[Float]] = [[0.2, 0.8, 0.5, 0.5, 0.9, 0.1], [0.3, 0.7]]
        let other: [[Int32]] = [[1, 0, 3], [2]]
        let objectives: [any Objective] = [
            CrossEntropyObjective(labels: labels), MarginObjective(labels: labels),
            DivergenceObjective(from: reference), RouterObjective(targets: ["layer": soft]),
            DifferenceOfLogitsRatioObjective(labels: labels),
            TargetedDifferenceOfLogitsRatioObjective(labels: labels, targets: other),
            LogitDifferenceObjective(labels: labels, targets: other),
            WeightedSumObjective([
                (CrossEntropyObjective(labels: labels), 1), (RouterObjective(targets: ["layer": soft]), 2),
            ]),
        ]
        let all = outputs(images: 3, index: 30)
        for objective in objectives {
            let whole = objective.evaluate(all, shard: 0)
            let restricted = objective.selecting(chosen)
            #expect(restricted.readsRouters == objective.readsRouters)
            for (objective, images) in [(restricted, [2, 0]), (restricted.selecting([[1], []]), [0])] {
                let value = objective.evaluate(some(all, images), shard: 0)
                #expect(value.losses == images.map { whole.losses[$0] }, "\(objective)")
                #expect(value.dLogits?.toArray() == whole.dLogits?.toArray().selecting(images, width: 4))
                #expect(value.dRouters["layer"] == whole.dRouters["layer"]?.selecting(images, width: 2))
            }
            #expect(restricted.evaluate(outputs(images: 0, index: 0), shard: 1).losses.isEmpty)
        }
    }

    @Test("calls are counted on through a selection, so that no two have the same draw")
    func draws() throws {
        let target = LinearTarget(classes: 3, pixels: 5, labels: [[0, 2, 1]])
        let images = [draws(3, 5, index: 60)]
        var inquiry = Inquiry(target, MarginObjective(labels: target.labels), labels: target.labels)
        let all = try inquiry.outcomes(images)[0]
        let some = try inquiry.selecting([[2, 0]]) { inquiry in
            #expect(inquiry.calls == 1 && inquiry.labels == [[1, 0]])
            return try inquiry.outcomes(images.selecting([[2, 0]]))[0]
        }
        #expect(inquiry.calls == 2 && inquiry.labels == [[0, 2, 1]])
        #expect(some.losses == [all.losses[2], all.losses[0]])
    }
}
