import Attacks
import NetworkAttacks
import Networks
import TestSupport
import Testing

@testable import Configuration
@testable import Evaluation
@testable import Runs

@Suite("warnings of routing")
struct RoutingWarningTests {
    /// An evaluation of four clean images, and four attacked ones, by layers whose experts get these counts.
    private func result(clean: [[Double]], attacked: [[Double]]) throws -> EvaluationResult {
        func outcome(_ layers: [[Double]]) -> EvaluationChunk.Outcome {
            var result = EvaluationChunk.Outcome()
            result.predictions = [0, 0, 0, 0]
            result.losses = [0, 0, 0, 0]
            result.distances = [0, 0, 0, 0]
            for (number, chosen) in layers.enumerated() {
                var sums = RouterSums(experts: chosen.count)
                sums.images = 4
                sums.probability = chosen
                sums.chosen = chosen
                result.layers.append(ExpertUsage(layer: "layer\(number)", sums: sums))
                result.outputs.append(ExpertOutputs(experts: chosen.count))
                result.chosen.append(
                    chosen.enumerated().flatMap { Array(repeating: $0.offset, count: Int($0.element)) })
            }
            return result
        }
        let attack = try #require(RunConfiguration.Attack().evaluatedAttack)
        let chunk = EvaluationChunk(
            chunk: 0, indices: [0, 1, 2, 3], labels: [0, 0, 0, 0], outcomes: [outcome(clean), outcome(attacked)])
        return EvaluationResult(
            chunks: [chunk], attacks: [attack], network: try TinyNetwork.make(), classes: 3)
    }

    @Test("One line tells of how many layers, and of the worst")
    func line() throws {
        let found = Console.routingWarning(
            try result(clean: [[2, 2], [2, 2], [4, 0]], attacked: [[4, 0], [1, 3], [3, 1]]))
        #expect(
            found
                == "experts of 2 of 3 layers are collapsed or dead; worst is layer2 on clean (collapsed), whose experts get "
                + "100.0%, 0.0%; routing.csv has all")
    }

    @Test("Nothing is said where all experts are used")
    func silence() throws {
        #expect(Console.routingWarning(try result(clean: [[2, 2]], attacked: [[1, 3]])) == nil)
    }
}
