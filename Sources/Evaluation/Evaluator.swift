import Collectives
import Datasets
import Foundation
import NetworkAttacks
import Networks

/// Measures clean and attacked accuracy in fixed chunks of consecutive images.
///
/// Ranks take whole chunks as they get done with others, each a pass of its own, so the result has the same bits on any
/// number of ranks.
package struct Evaluator {
    /// Makes the passes of the network; routes that are given hold for attacks too.
    package var passes: PassFactory
    let communicator: any Communicator
    /// Images that are run together.
    let chunk: Int
    /// The seed of random starts.
    let seed: UInt64
    /// Passes of other networks that attacks are made on, by where these are stored.
    package var sources: [String: PassFactory] = [:]
    /// Whether what attacks made is part of the result.
    package var keepsImages = false
    /// Whether some images of the first chunk are part of the result, beside what attacks made of them.
    package var keepsExamples = false
    /// The mask that pathways are compared with, if any.
    let mask: MaskOverlap?
    /// What keeps finished chunks; rank 0's alone is used.
    package var store: (any ChunkStore)?
    /// What is told of the progress, on rank 0.
    package var report: (EvaluationProgress) throws -> Void
    /// What tells an evaluation from others that share its store.
    package var part = ""
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
        store: (any ChunkStore)? = nil, report: @escaping (EvaluationProgress) throws -> Void = { _ in },
        wantsToStop: @escaping () -> Bool = { false }
    ) {
        self.passes = passes
        self.communicator = communicator
        self.chunk = chunk
        self.seed = seed
        self.mask = mask
        self.store = store
        self.report = report
        self.wantsToStop = wantsToStop
    }

    /// Evaluates images `indices` of a set; collective.
    /// - Parameters:
    ///   - suffix: What the names of the inputs end in.
    ///   - trials: Attacks at radii other than their own, on the first chunk, whose losses around images are looked at too;
    ///     nil where nobody asks.
    package func run(
        _ set: ImageSet, _ indices: [Int], attacks: [EvaluatedAttack], suffix: String = "",
        trials: [RadiusTrial]? = nil
    ) throws -> Outcome {
        communicator.note("evaluation")
        let ranges = stride(from: 0, to: indices.count, by: chunk).map { $0..<min(indices.count, $0 + chunk) }
        let part = part + suffix
        // Nothing but what this evaluation makes of just these images counts.
        var finished = try (communicator.isRoot ? store?.finished(part) ?? [] : []).filter { kept in
            ranges.indices.contains(kept.chunk) && kept.indices[...] == indices[ranges[kept.chunk]]
                && kept.outcomes.count == attacks.count + 1
        }
        var progress = EvaluationProgress(
            part, attacks, images: indices.count, chunks: ranges.count, finished: finished)
        let known = Set(finished.map(\.chunk))
        let queue = WorkQueue(ranges.indices.filter { !known.contains($0) }, communicator) { [store] bytes in
            let chunk = try JSONDecoder().decode(EvaluationChunk.self, from: Data(bytes))
            try store?.keep(part, chunk)
            finished.append(chunk)
            progress.add(chunk)
        }
        /// Called between two passes of this rank, and where rank 0 waits for others.
        func tend() throws {
            try queue.tend()
            if !queue.isStopped, wantsToStop() { try queue.stop() }
            if communicator.isRoot, !queue.isStopped { try report(progress) }
        }
        do {
            while let number = try queue.next() {
                var passes = passes
                var pass = 0
                passes.progress = {
                    pass += 1
                    communicator.note("evaluation, chunk \(number) of \(ranges.count), pass \(pass)")
                    try tend()
                    if queue.isStopped { throw Stop() }
                }
                let batch = set.chunk(indices[ranges[number]], workspace: passes.workspace)
                let evaluation = ChunkEvaluation(
                    passes: passes, sources: sources, keepsImages: keepsImages,
                    keepsExamples: keepsExamples && number == 0, images: batch.images,
                    labels: batch.labels, samples: batch.indices, seed: seed)
                var result = EvaluationChunk(
                    chunk: number, indices: batch.indices, labels: batch.labels.map(Int.init),
                    outcomes: try evaluation.outcomes(attacks) { progress.place = $0 }, rank: communicator.rank)
                if number == 0 { try check(&result, by: evaluation, attacks, trials) }
                try queue.deliver([UInt8](JSONEncoder().encode(result)))
            }
        } catch is Stop {}
        progress.place = nil
        try queue.finish(tend)
        // A stop that comes when all is done stops nothing.
        let isWhole = finished.count == ranges.count
        guard try communicator.allReduce(Int64(communicator.isRoot && !isWhole ? 1 : 0), .max) == 0 else {
            return .stopped
        }
        guard communicator.isRoot else { return .finished(nil) }
        finished.sort { $0.chunk < $1.chunk }
        return .finished(
            EvaluationResult(
                chunks: finished, attacks: attacks, network: passes.network, classes: set.classes, suffix: suffix,
                mask: mask))
    }

    /// That an evaluation ends between two passes.
    private struct Stop: Error {}

    /// Looks at what tells of the whole evaluation and is asked of one chunk alone.
    private func check(
        _ chunk: inout EvaluationChunk, by evaluation: ChunkEvaluation, _ attacks: [EvaluatedAttack],
        _ trials: [RadiusTrial]?
    ) throws {
        if !attacks.isEmpty { chunk.outputs = try evaluation.outputKinds() }
        guard let trials else { return }
        chunk.trials = try trials.map(evaluation.outcome)
        chunk.instability = try evaluation.instability(chunk.outcomes[0])
    }
}

/// Keeps finished chunks of evaluations, so that one that ends early can go on.
package protocol ChunkStore {
    /// The chunks of an evaluation that are there already, each once.
    func finished(_ part: String) throws -> [EvaluationChunk]
    /// Keeps one more, for good.
    func keep(_ part: String, _ chunk: EvaluationChunk) throws
}
