import Attacks
import NetworkAttacks
import Networks
import TestSupport
import Testing

@testable import Configuration
@testable import Evaluation
@testable import Files

@Suite("evaluation results")
struct EvaluationResultTests {
    private func chunk(
        _ number: Int, indices: [Int], labels: [Int], clean: [Int], attacked: [Int], chosen: [Double],
        cleanChosen: [Int], attackedChosen: [Int], outputs: ExpertOutputs? = nil
    ) -> EvaluationChunk {
        func outcome(
            _ predictions: [Int], loss: Double, isAttacked: Bool, _ experts: [Int]
        ) -> EvaluationChunk.Outcome {
            var sums = RouterSums(experts: 2)
            sums.images = Double(indices.count)
            sums.probability = chosen
            sums.best = chosen
            sums.chosen = chosen
            var result = EvaluationChunk.Outcome()
            result.predictions = predictions
            result.losses = predictions.map { _ in loss }
            result.distances = isAttacked ? predictions.map { Double($0) / 8 } : []
            result.layers = [ExpertUsage(layer: "layer2.0.conv1", sums: sums)]
            result.outputs = [outputs ?? ExpertOutputs(experts: 2)]
            result.chosen = [experts]
            // The second chunk is another rank's.
            result.seconds = isAttacked ? 9 : 1.5
            return result
        }
        return EvaluationChunk(
            chunk: number, indices: indices, labels: labels,
            outcomes: [
                outcome(clean, loss: 0.5, isAttacked: false, cleanChosen),
                outcome(attacked, loss: 2, isAttacked: true, attackedChosen),
            ], rank: number)
    }

    /// The attack of a configuration that says nothing.
    private func attacks() throws -> [EvaluatedAttack] { [try #require(RunConfiguration.Attack().evaluatedAttack)] }

    private func result() throws -> EvaluationResult {
        EvaluationResult(
            chunks: [
                chunk(
                    0, indices: [4, 7, 9], labels: [0, 1, 2], clean: [0, 1, 0], attacked: [0, 2, 2], chosen: [3, 0],
                    cleanChosen: [0, 0, 0], attackedChosen: [0, 1, 0]),
                chunk(
                    1, indices: [12], labels: [1], clean: [1], attacked: [1], chosen: [0, 1], cleanChosen: [1],
                    attackedChosen: [1]),
            ], attacks: try attacks(), network: try TinyNetwork.make(), classes: 3)
    }

    @Test("Chunks add up to counts and means over all images")
    func sums() throws {
        let result = try result()
        #expect(result.samples == 4)
        let (clean, attacked) = (result.inputs[0], result.inputs[1])
        #expect(clean.name == "clean" && attacked.name == "pgd-linf-8of255-10")
        #expect(clean.correct == 3 && clean.accuracy == 0.75 && clean.taskLoss == 0.5)
        #expect(attacked.correct == 3 && attacked.taskLoss == 2)
        #expect(attacked.layers[0].sums.chosen == [3, 1] && attacked.flips == [1])
        #expect(clean.seconds == 1.5 && attacked.seconds == 9)
    }

    @Test("Balancing losses are those of the sums over all chunks, not sums over chunks")
    func balance() throws {
        let result = try result()
        var sums = RouterSums(experts: 2)
        sums.images = 4
        sums.probability = [3, 1]
        let expected = 0.5 * BalanceLoss.entropy.value(sums)
        #expect(abs(result.inputs[0].balanceLoss - expected) < 1e-15)
        #expect(expected < 0)
    }

    @Test("The balancing loss has the variance of experts' outputs over all chunks")
    func variance() throws {
        func outputs(_ sum: [Double], _ count: [Double]) -> ExpertOutputs {
            var outputs = ExpertOutputs(experts: 2)
            outputs.sum = sum
            outputs.count = count
            return outputs
        }
        func chunk(_ number: Int, _ outputs: ExpertOutputs) -> EvaluationChunk {
            self.chunk(
                number, indices: [number], labels: [0], clean: [0], attacked: [0], chosen: [1, 0], cleanChosen: [0],
                attackedChosen: [0], outputs: outputs)
        }
        var settings = try TinyNetwork.make().settings
        settings.mixture?.router.balance = .none
        settings.mixture?.router.varianceWeight = 0.25
        let result = EvaluationResult(
            chunks: [chunk(0, outputs([2, 1], [10, 5])), chunk(1, outputs([1, 2], [5, 5]))], attacks: try attacks(),
            network: try Network(settings, seed: 1), classes: 3)
        // Means 0.2 and 0.3, whose unbiased variance is 0.005.
        let expected = 0.25 * (1 - (0.005 + 1e-4).squareRoot())
        for input in result.inputs { #expect(abs(input.balanceLoss - expected) < 1e-12) }
    }

    @Test("The worst case counts images that are right when clean and under every attack")
    func worstCase() throws {
        let result = try result()
        // Image 9 is wrong when clean, image 7 under attack; each alone has three right.
        #expect(result.worstCaseCorrect == 2 && result.robustAccuracy == 0.5)
        #expect(result.perSample.map(\.index) == [4, 7, 9, 12])
        #expect(result.perSample.map(\.robust) == [true, false, false, true])
        #expect(result.perSample[1].outcomes[0] == .init(prediction: 2, loss: 2, distance: 0.25))
    }

    @Test("Rows are clean, each attack and the worst case, with the attack's settings on its own row")
    func rows() throws {
        let rows = try result().rows(
            EvaluationSubject(
                checkpoint: "step-00000004", sha256: "ab", dataset: "mnist", split: "test", seed: .max,
                normalization: "none", flags: ["assumed moe.weights=plain"]))
        #expect(rows.map(\.attack) == ["none", "pgd-linf-8of255-10", "worst-case"])
        #expect(rows.map(\.correct) == [3, 3, 2] && rows.allSatisfy { $0.samples == 4 })
        #expect(rows.map(\.steps) == [nil, 10, nil] && rows.map(\.seed) == [nil, .max, nil])
        #expect(rows.map(\.randomStart) == [nil, true, nil])
        #expect(rows.allSatisfy { $0.checkpoint == "step-00000004" && $0.checkpointSHA256 == "ab" })
        #expect(rows.allSatisfy { $0.flags == "assumed moe.weights=plain" && $0.normalization == "none" })
        let cells = zip(EvaluationRow.columns.map(\.name), rows[1].values)
        #expect(cells.first { $0.0 == "seed" }?.1.field == "18446744073709551615")
    }

    @Test("Classes have counts, precision and recall, and experts the classes that they were given")
    func classes() throws {
        let result = try result()
        let rows = result.inputs[1].classRows(split: "test", names: ["a", "b", "c"])
        // Labels 0, 1, 2, 1; predictions under attack 0, 2, 2, 1.
        #expect(rows.map(\.samples) == [1, 2, 1])
        #expect(rows.map(\.predicted) == [1, 1, 2])
        #expect(rows.map(\.correct) == [1, 1, 1])
        #expect(rows.map(\.precision) == [1, 1, 0.5])
        #expect(rows.map(\.recall) == [1, 0.5, 1])
        let twoThirds: Double? = 2.0 / 3
        #expect(rows.map(\.f1) == [1, twoThirds, twoThirds])
        #expect(rows[2].name == "c" && rows[2].inputs == "pgd-linf-8of255-10" && rows[2].split == "test")
        // Clean predictions 0, 1, 0, 1: nothing is taken for a c.
        #expect(result.inputs[0].classRows(split: "test", names: ["a", "b", "c"])[2].precision == nil)

        #expect(result.inputs[0].expertClasses == [[[1, 1, 1], [0, 1, 0]]])
        #expect(result.inputs[1].expertClasses == [[[1, 0, 1], [0, 2, 0]]])
        let experts = result.inputs[0].expertClassRows(split: "test", names: ["a", "b", "c"])
        #expect(experts.map(\.expert) == [0, 0, 0, 1, 1, 1])
        #expect(experts.map(\.label) == [0, 1, 2, 0, 1, 2])
        #expect(experts.map(\.shareOfClass) == [1, 0.5, 1, 0, 0.5, 0])
        let third = 1.0 / 3
        let shares: [Double?] = [third, third, third, 0, 1, 0]
        #expect(experts.map(\.shareOfExpert) == shares)
    }

    @Test("Names of averaged weights' evaluations end in their suffix, and rows say so")
    func suffix() throws {
        let chunk = chunk(
            0, indices: [0], labels: [0], clean: [0], attacked: [1], chosen: [1, 0], cleanChosen: [0],
            attackedChosen: [0])
        let result = EvaluationResult(
            chunks: [chunk], attacks: try attacks(), network: try TinyNetwork.make(), classes: 3,
            suffix: EvaluationResult.averageSuffix)
        #expect(result.inputs.map(\.name) == ["clean@average", "pgd-linf-8of255-10@average"])
        let rows = result.rows(
            EvaluationSubject(
                checkpoint: "c", sha256: nil, dataset: "mnist", split: "test", seed: 1, normalization: "mnist"))
        #expect(rows.map(\.attack) == ["none@average", "pgd-linf-8of255-10@average", "worst-case@average"])
        #expect(rows.allSatisfy { $0.flags == "weight-average" })
    }
}
