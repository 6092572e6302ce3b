import Tensors
import Testing

@testable import Attacks

@Suite("objectives")
struct ObjectiveTests {
    private let workspace = Workspace()

    private func outputs(_ rows: [[Float]], routers: [RouterOutputs] = []) -> ModelOutputs {
        let logits = Tensor(workspace, images: rows.count, channels: rows[0].count)
        for (index, value) in rows.joined().enumerated() { logits.pointer[index] = value }
        return ModelOutputs(logits: logits, routers: routers)
    }

    private func draws(_ count: Int, index: Int) -> [Float] {
        var stream = RandomStream(seed: 5, purpose: .synthetic, index: index)
        return (0..<count).map { _ in stream.normal() }
    }

    /// Logarithms of the softmax of one image's router logits.
    private func logSoftmax(_ logits: [Double]) -> [Float] {
        let largest = logits.max() ?? 0
        let sum = logits.reduce(0) { $0 + exponential($1 - largest) }
        return logits.map { Float($0 - largest - logarithm(sum)) }
    }

    @Test("the margin is the best wrong logit less the label's, and its gradient that of central differences")
    func margin() throws {
        let labels: [Int32] = (0..<12).map { $0 % 4 }
        let objective = MarginObjective(labels: [labels])
        let step: Float = 0x1p-8
        // A difference of two wrong logits of less than a step would be a tie: such draws are left out.
        let candidates = (0..<100).map { draws(4, index: $0) }
        let rows = Array(
            candidates.filter { row in
                row.indices.allSatisfy { place in row[..<place].allSatisfy { abs($0 - row[place]) > 4 * step } }
            }.prefix(12))
        try #require(rows.count == 12)
        let value = objective.evaluate(outputs(rows), shard: 0)
        let gradient = try #require(value.dLogits)
        #expect(!objective.readsRouters && value.dRouters.isEmpty)
        for (image, row) in rows.enumerated() {
            let label = Int(labels[image])
            let wrong = row.indices.filter { $0 != label }.map { Double(row[$0]) }.max() ?? 0
            #expect(value.losses[image] == wrong - Double(row[label]))
            for place in 0..<4 {
                func loss(_ move: Float) -> Double {
                    var moved = rows
                    moved[image][place] += move
                    return objective.evaluate(outputs(moved), shard: 0).losses.reduce(0, +)
                }
                let slope = (loss(step) - loss(-step)) / Double(2 * step)
                #expect(abs(Double(gradient.pointer[image * 4 + place]) - slope) < 1e-3, "image \(image), \(place)")
            }
        }
    }

    @Test("a tie of wrong classes goes to the lowest, and one class has no margin")
    func marginTies() throws {
        let tied = MarginObjective(labels: [[], [1, 0]]).evaluate(outputs([[2, 1, 2, 0], [5, 3, 3, 3]]), shard: 1)
        #expect(tied.losses == [1, -2])
        #expect(try #require(tied.dLogits).toArray() == [1, -1, 0, 0, -1, 1, 0, 0])
        let single = MarginObjective(labels: [[0, 0]]).evaluate(outputs([[3], [-2]]), shard: 0)
        #expect(single.losses == [0, 0])
        #expect(try #require(single.dLogits).toArray() == [0, 0])
    }

    @Test("a weighted sum adds losses, gradients of logits and gradients of routers")
    func weightedSum() throws {
        struct Fixed: Objective {
            let readsRouters: Bool
            let value: () -> ObjectiveValue
            func evaluate(_ outputs: ModelOutputs, shard: Int) -> ObjectiveValue { value() }
            func selecting(_ images: [[Int]]) -> any Objective { self }
        }
        let given = outputs([[0, 0], [0, 0]])
        let first = Fixed(readsRouters: false) {
            ObjectiveValue(
                losses: [1, 2], dLogits: outputs([[1, 2], [3, 4]]).logits, dRouters: ["a": [1, 2], "b": [5, 6]])
        }
        let second = Fixed(readsRouters: true) {
            ObjectiveValue(
                losses: [10, 20], dLogits: outputs([[8, 4], [2, 1]]).logits, dRouters: ["a": [4, 8], "c": [2, 4]])
        }
        let third = Fixed(readsRouters: false) { ObjectiveValue(losses: [100, 300], dLogits: nil) }
        let sum = WeightedSumObjective([(third, 0.25), (first, 1), (second, 0.5)])
        let value = sum.evaluate(given, shard: 0)
        #expect(value.losses == [31, 87])
        #expect(try #require(value.dLogits).toArray() == [5, 4, 4, 4.5])
        #expect(value.dRouters == ["a": [3, 6], "b": [5, 6], "c": [1, 2]])
        #expect(sum.readsRouters && !WeightedSumObjective([(first, 1), (third, 1)]).readsRouters)
        #expect(WeightedSumObjective([(third, 1)]).evaluate(given, shard: 0).dLogits == nil)
    }

    @Test("the gradient of the routers' cross entropy is that of central differences, with both kinds of targets")
    func routers() throws {
        let (images, experts) = (3, 4)
        let logits = (0..<images).map { draws(experts, index: 50 + $0).map(Double.init) }
        let soft = (0..<images).flatMap { image in
            logSoftmax(draws(experts, index: 90 + image).map(Double.init)).map { Float(exponential(Double($0))) }
        }
        let objectives = [
            RouterObjective(targets: ["layer": [soft]]),
            RouterObjective(labels: [[0, 5, 2]], layers: ["layer"], experts: experts),
        ]
        #expect(objectives[1].targets == ["layer": [[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]]])
        for objective in objectives {
            func value(_ logits: [[Double]]) -> ObjectiveValue {
                let routers = [
                    RouterOutputs(layer: "layer", experts: experts, logProbabilities: logits.flatMap(logSoftmax)),
                    RouterOutputs(layer: "untouched", experts: 1, logProbabilities: [0, 0, 0]),
                ]
                return objective.evaluate(outputs([[0], [0], [0]], routers: routers), shard: 0)
            }
            let found = value(logits)
            #expect(objective.readsRouters && found.dLogits == nil && Set(found.dRouters.keys) == ["layer"])
            let gradient = try #require(found.dRouters["layer"])
            try #require(gradient.count == images * experts)
            for image in 0..<images {
                for expert in 0..<experts {
                    func loss(_ move: Double) -> Double {
                        var moved = logits
                        moved[image][expert] += move
                        return value(moved).losses[image]
                    }
                    let slope = (loss(0x1p-7) - loss(-0x1p-7)) / 0x1p-6
                    #expect(abs(gradient[image * experts + expert] - slope) < 1e-4, "image \(image), \(expert)")
                }
            }
        }
    }
}
