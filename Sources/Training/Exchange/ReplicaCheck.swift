import Collectives
import Files
import Networks

/// Compares the weights and statistics of all ranks, bit for bit.
package enum ReplicaCheck {
    /// Throws on every rank where ranks differ, naming the odd ones, on which hosts, and the first slot that differs; collective.
    ///
    /// What most ranks hold is taken for right. Where no bits have a majority, as with two ranks, all ranks are named.
    package static func run(_ parameters: Parameters, _ communicator: any Communicator) throws {
        if communicator.size == 1 { return }
        let own = parameters.slots.map { Int64(bitPattern: hash(parameters.values(of: $0))) }
        let all = try communicator.allGather([Int64(bitPattern: own.reduce(seed) { mix($0, UInt64(bitPattern: $1)) })])
        let groups = Dictionary(grouping: all.indices) { all[$0] }.values.sorted { $0.count > $1.count }
        guard groups.count > 1 else { return }
        // A majority has every rank in agreement on which it is; without one any rank will do to compare with.
        let hasMajority = 2 * groups[0].count > all.count
        let model = hasMajority ? groups[0][0] : 0
        var expected = own
        try expected.withUnsafeMutableBytes { bytes in try communicator.broadcast(bytes, from: model) }
        let difference = own.indices.first { own[$0] != expected[$0] } ?? own.count
        let earliest = try communicator.allGather([Int64(difference)]).min().map(Int.init) ?? own.count
        let hosts = try hosts(communicator)
        func names(_ ranks: [Int]) -> String {
            let few = ranks.prefix(8).map { "\($0) (\(hosts[$0]))" }.joined(separator: ", ")
            return "rank\(ranks.count == 1 ? "" : "s") \(few)" + (ranks.count > 8 ? " and \(ranks.count - 8) more" : "")
        }
        let slot = earliest < own.count ? parameters.slots[earliest].name : "a hash"
        let sentence: String
        if hasMajority {
            let odd = groups.dropFirst().flatMap { $0 }.sorted()
            sentence = "\(slot) on \(names(odd)) is not what the other \(groups[0].count) of \(all.count) ranks have"
        } else {
            sentence = "\(slot) differs between \(names(Array(all.indices))), and no majority tells which is right"
        }
        throw RunError.replicasDiffer(
            "replicas differ: \(sentence); expected the same bits on all \(all.count) ranks. The last checkpoint is from "
                + "before this was seen")
    }

    /// The host of every rank.
    private static func hosts(_ communicator: any Communicator) throws -> [String] {
        let (bytes, counts) = try communicator.allGatherCounted(Array(communicator.hostName.utf8))
        var rest = bytes[...]
        return counts.map { count in
            defer { rest = rest.dropFirst(count) }
            return String(decoding: rest.prefix(count), as: UTF8.self)
        }
    }

    private static let seed: UInt64 = 0xCBF2_9CE4_8422_2325

    /// FNV-1a over whole words, with a final mix: differing bits anywhere change the hash.
    private static func hash(_ values: UnsafeBufferPointer<Float>) -> UInt64 {
        values.reduce(seed) { mix($0, UInt64($1.bitPattern)) }
    }

    private static func mix(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let result = (hash ^ word) &* 0x100_0000_01B3
        return result ^ result >> 29
    }
}
