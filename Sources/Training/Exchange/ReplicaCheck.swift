import Collectives
import Files
import Networks

/// Compares the weights and statistics of all ranks, bit for bit.
package enum ReplicaCheck {
    /// Throws on every rank, naming the first slot that differs from rank 0's and the ranks where it does.
    package static func run(_ parameters: Parameters, _ communicator: any Communicator) throws {
        if communicator.size == 1 { return }
        let own = parameters.slots.map { Int64(bitPattern: hash(parameters.values(of: $0))) }
        var first = own
        try first.withUnsafeMutableBytes { bytes in try communicator.broadcast(bytes, from: 0) }
        let difference = own.indices.first { own[$0] != first[$0] } ?? own.count
        let all = try communicator.allGather([Int64(difference)])
        guard let earliest = all.min(), earliest < own.count else { return }
        let ranks = all.indices.filter { all[$0] == earliest }.map(String.init).joined(separator: ", ")
        throw RunError.replicasDiffer(
            "replicas differ: \(parameters.slots[Int(earliest)].name) on rank \(ranks) is not what rank 0 has; "
                + "expected the same bits on all \(communicator.size) ranks. The last checkpoint is from before this was seen"
        )
    }

    /// FNV-1a over whole words, with a final mix: differing bits anywhere change the hash.
    private static func hash(_ values: UnsafeBufferPointer<Float>) -> UInt64 {
        var result: UInt64 = 0xCBF2_9CE4_8422_2325
        for value in values {
            result = (result ^ UInt64(value.bitPattern)) &* 0x100_0000_01B3
            result ^= result >> 29
        }
        return result
    }
}
