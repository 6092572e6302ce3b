import Collectives
import Datasets
import Foundation
import NetworkAttacks
import Networks

/// Measures clean and attacked accuracy in fixed chunks of consecutive images.
///
/// A rank takes whole chunks, each a pass of its own, so the result has the same bits on any number of ranks.
package struct Evaluator {
    /// Makes the passes of the network; routes that are given hold for attacks too.
    package var passes: PassFactory
    let communicator: any Communicator
    /// Images that are run together.
    let chunk: Int
    /// The seed of random starts.
    let seed: UInt64
    /// The mask that pathways are compared with, if any.
    let mask: MaskOverlap?
    /// Whether this rank is to stop; looked at before every pass.
    package var wantsToStop: () -> Bool

    /// What an evaluation came to.
    package enum Outcome {
        /// Every image was evaluated; rank 0 has the result.
        case finished(EvaluationResult?)
        /// A rank was to stop before that.
        case stopped

        /// The result; nil on ranks other than 0, and where the evaluation was stopped.
        package var result: EvaluationResult? { if case .finished(let result) = self { result } else { nil } }
    }

    /// Makes an evaluator; see the properties.
    package init(
        _ passes: PassFactory, _ communicator: any Communicator, chunk: Int, seed: UInt64, mask: MaskOverlap? = nil,
        wantsToStop: @escaping () -> Bool = { false }
    ) {
        self.passes = passes
        self.communicator = communicator
        self.chunk = chunk
        self.seed = seed
        self.mask = mask
        self.wantsToStop = wantsToStop
    }

    private var network: Network { passes.network }

    /// Evaluates images `indices` of a set; collective.
    /// - Parameter suffix: What the names of the inputs end in.
    package func run(
        _ set: ImageSet, _ indices: [Int], attacks: [EvaluatedAttack], suffix: String = ""
    ) throws -> Outcome {
        let count = (indices.count + chunk - 1) / chunk
        var results: [EvaluationChunk] = []
        var isStopped = false
        do {
            for number in Swift.stride(from: communicator.rank, to: count, by: communicator.size) {
                let range = number * chunk..<min(indices.count, (number + 1) * chunk)
                results.append(try evaluate(set, indices[range], number: number, of: count, attacks))
            }
        } catch is Stop { isStopped = true }
        var anyStopped: [Int64] = [isStopped ? 1 : 0]
        try communicator.allReduce(&anyStopped, .max)
        if anyStopped[0] > 0 { return .stopped }
        let bytes = try JSONEncoder().encode(results)
        let gathered = try communicator.gather([UInt8](bytes), to: 0)
        guard communicator.isRoot else { return .finished(nil) }
        var all: [EvaluationChunk] = []
        for part in gathered { all += try JSONDecoder().decode([EvaluationChunk].self, from: Data(part)) }
        all.sort { $0.chunk < $1.chunk }
        return .finished(
            EvaluationResult(
                chunks: all, attacks: attacks, network: network, classes: set.classes, suffix: suffix, mask: mask))
    }

    /// That an evaluation ends between two passes.
    private struct Stop: Error {}

    private func evaluate(
        _ set: ImageSet, _ indices: ArraySlice<Int>, number: Int, of count: Int, _ attacks: [EvaluatedAttack]
    ) throws -> EvaluationChunk {
        var passes = passes
        passes.progress = { [communicator, wantsToStop] in
            communicator.note("evaluation, chunk \(number) of \(count)")
            if wantsToStop() { throw Stop() }
        }
        let batch = set.chunk(indices, workspace: passes.workspace)
        let evaluation = ChunkEvaluation(
            passes: passes, images: batch.images, labels: batch.labels, samples: batch.indices, seed: seed)
        return EvaluationChunk(
            chunk: number, indices: batch.indices, labels: batch.labels.map(Int.init),
            outcomes: try evaluation.outcomes(attacks), rank: communicator.rank)
    }
}
