import Files
import Networks
import Weights

// What ranks have left out of the gradients that they sent (`distributed.error_feedback`), in checkpoints: as
// `<slot>.unsent.<rank>`, every rank's own, so that a run goes on to the same bits.
extension Trainer {
    private static func suffix(_ rank: Int) -> String { "unsent.\(rank)" }

    /// What each rank has left out, on rank 0; collective where anything is kept.
    func gatheredUnsent() throws -> [NamedTensor] {
        guard let own = step.unsent else { return [] }
        let bytes = own.withUnsafeBytes { Array($0) }
        return try communicator.gather(bytes, to: 0).enumerated().flatMap { rank, bytes in
            var arena = [Float](repeating: 0, count: own.count)
            arena.withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
            return arena.withUnsafeMutableBufferPointer {
                ModelTensors.tensors(network, arena: $0, suffix: Self.suffix(rank))
            }
        }
    }

    /// Takes up what this rank had left out, or, on another number of ranks, its share of what all had.
    ///
    /// Updates are short of the sum, whoever sends it. Nothing is taken up where the checkpoint's run kept nothing.
    /// - Throws: ``Files/RunError/checkpoint(_:)`` where a rank's tensors are missing or of other shapes.
    func restoreUnsent(_ tensors: [String: NamedTensor], savedRanks: Int, from path: String) throws {
        guard var own = step.unsent else { return }
        own = [Float](repeating: 0, count: own.count)
        defer { step.unsent = own }
        guard tensors.keys.contains(where: { $0.hasSuffix(".\(Self.suffix(0))") }) else { return }
        func load(_ rank: Int, into arena: inout [Float]) throws {
            let suffix = Self.suffix(rank)
            try arena.withUnsafeMutableBufferPointer {
                try ModelTensors.load(
                    tensors.filter { $0.key.hasSuffix(".\(suffix)") }, suffix: suffix, into: $0, network, from: path)
            }
        }
        if savedRanks == communicator.size { return try load(communicator.rank, into: &own) }
        var of = own
        for rank in 0..<savedRanks {
            try load(rank, into: &of)
            for index in own.indices { own[index] += of[index] / Float(communicator.size) }
        }
    }
}
