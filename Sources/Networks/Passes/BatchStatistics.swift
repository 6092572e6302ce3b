/// Sums over the whole global batch, for layers that need its statistics in mid-pass.
///
/// Every rank asks the same number of times in the same order, with no image too.
public protocol BatchStatistics {
    /// Returns the sum over all shards of all ranks; `perShard` holds one equally long list a shard of this rank.
    /// - Parameter layer: The path of what asks, for messages.
    func sum(_ perShard: [[Double]], for layer: String) throws -> [Double]

    /// Returns the lists of all shards of all ranks one after the other, in the order of the global batch, and where
    /// each of this rank's own begins; lists may have different lengths, and none.
    /// - Parameter layer: The path of what asks, for messages.
    func gather(_ perShard: [[Float]], for layer: String) throws -> (values: [Float], starts: [Int])
}

extension BatchStatistics {
    /// Where lists of these lengths begin, one after the other.
    public static func starts(_ counts: [Int], from first: Int = 0) -> [Int] {
        var next = first
        return counts.map { count in
            defer { next += count }
            return next
        }
    }
}

/// The statistics of a batch that lives in one process.
public struct SoloStatistics: BatchStatistics {
    /// Makes the statistics.
    public init() {}

    /// Adds up this process's shards in order.
    public func sum(_ perShard: [[Double]], for layer: String) -> [Double] {
        guard var result = perShard.first else { return [] }
        for values in perShard.dropFirst() {
            for index in result.indices { result[index] += values[index] }
        }
        return result
    }

    /// Returns this process's lists one after the other.
    public func gather(_ perShard: [[Float]], for layer: String) -> (values: [Float], starts: [Int]) {
        (perShard.flatMap { $0 }, Self.starts(perShard.map(\.count)))
    }
}
