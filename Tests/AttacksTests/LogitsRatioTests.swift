import Tensors
import Testing

@testable import Attacks

@Suite("differences of logits and their ratios")
struct LogitsRatioTests {
    private let workspace = Workspace()

    private func outputs(_ rows: [[Float]]) -> ModelOutputs {
        let logits = Tensor(workspace, images: rows.count, channels: rows[0].count)
        for (index, value) in rows.joined().enumerated() { logits.pointer[index] = value }
        return ModelOutputs(logits: logits)
    }

    /// Logits of distances in which a step of the differences changes no order.
    private func rows(_ count: Int, classes: Int) -> [[Float]] {
        let candidates = (0..<40 * count).map { index -> [Float] in
            var stream = RandomStream(seed: 8, purpose: .synthetic, index: index)
            return (0..<classes).map { _ in 2 * stream.normal() }
        }
        let apart = candidates.filter { row in
            row.indices.allSatisfy { place in row[..<place].allSatisfy { abs($0 - row[place]) > 0.1 } }
        }
        return Array(apart.prefix(count))
    }

    /// Compares the gradient of every logit with central differences.
    private func checkSlopes(_ objective: any Objective, _ rows: [[Float]]) throws {
        let step: Float = 0x1p-9
        let gradient = try #require(objective.evaluate(outputs(rows), shard: 0).dLogits)
        for (image, row) in rows.enumerated() {
            for place in row.indices {
                func loss(_ move: Float) -> Double {
                    var moved = rows
                    moved[image][place] += move
                    return objective.evaluate(outputs(moved), shard: 0).losses[image]
                }
                let slope = (loss(step) - loss(-step)) / Double(2 * step)
                let found = Double(gradient.pointer[image * row.count + place])
                #expect(abs(found - slope) <= 1e-3 * max(1, abs(slope)), "image \(image), class \(place)")
            }
        }
    }

    @Test("the ratio and its slopes are those of the formula")
    func ratio() throws {
        let rows = rows(24, classes: 5)
        let labels: [Int32] = rows.indices.map { Int32($0 % 5) }
        let objective = DifferenceOfLogitsRatioObjective(labels: [labels])
        let losses = objective.evaluate(outputs(rows), shard: 0).losses
        for (image, row) in rows.enumerated() {
            let label = Int(labels[image])
            let sorted = row.map(Double.init).sorted(by: >)
            let rival = row.indices.filter { $0 != label }.map { Double(row[$0]) }.max() ?? 0
            let expected = -(Double(row[label]) - rival) / (sorted[0] - sorted[2] + 1e-12)
            #expect(abs(losses[image] - expected) < 1e-12 && (losses[image] > 0) == (rival > Double(row[label])))
        }
        try checkSlopes(objective, rows)
        #expect(
            DifferenceOfLogitsRatioObjective(labels: [[0]]).evaluate(outputs([[3, 1, 0]]), shard: 0).losses == [
                -2 / (3 + 1e-12)
            ])
        // Equal logits have no slope that is not a number.
        let tied = DifferenceOfLogitsRatioObjective(labels: [[1]]).evaluate(outputs([[2, 2, 2]]), shard: 0)
        let slopes = try #require(tied.dLogits).toArray()
        #expect(tied.losses == [0] && slopes.allSatisfy(\.isFinite))
    }

    @Test("the targeted ratio and its slopes are those of the formula")
    func targetedRatio() throws {
        let rows = rows(40, classes: 6)
        let labels: [Int32] = rows.indices.map { Int32($0 % 6) }
        let targets = zip(rows.indices, labels).map { image, label in (label + 1 + Int32(image / 6 % 5)) % 6 }
        let objective = TargetedDifferenceOfLogitsRatioObjective(labels: [labels], targets: [targets])
        let losses = objective.evaluate(outputs(rows), shard: 0).losses
        for (image, row) in rows.enumerated() {
            let sorted = row.map(Double.init).sorted(by: >)
            let difference = Double(row[Int(labels[image])]) - Double(row[Int(targets[image])])
            let expected = -difference / (sorted[0] - (sorted[2] + sorted[3]) / 2 + 1e-12)
            #expect(abs(losses[image] - expected) < 1e-12)
        }
        try checkSlopes(objective, rows)
    }

    @Test("the difference of two logits and its slopes")
    func difference() throws {
        let objective = LogitDifferenceObjective(labels: [[0, 2]], targets: [[1, 0]])
        let value = objective.evaluate(outputs([[1, 4, 2], [-1, 3, 5]]), shard: 0)
        #expect(value.losses == [3, -6])
        #expect(try #require(value.dLogits).toArray() == [-1, 1, 0, 1, 0, -1])
    }

    @Test("targets follow the logits from the largest down, the higher class first where they are equal")
    func targets() {
        let logits = [outputs([[1, 4, 2], [0, 0, 0]]).logits, outputs([[3, 3, 5]]).logits]
        #expect(TargetClasses.ofRank(1, logits) == [[1, 2], [2]])
        #expect(TargetClasses.ofRank(2, logits) == [[2, 1], [1]])
        #expect(TargetClasses.ofRank(3, logits) == [[0, 0], [0]])
    }
}
