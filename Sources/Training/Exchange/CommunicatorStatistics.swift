import Collectives
import Networks

/// Sums over the global batch for the layers of a network, by way of a communicator.
package struct CommunicatorStatistics: BatchStatistics {
    package let communicator: any Communicator
    /// Adds shards in their global order, so that the result is the same on any number of ranks.
    package let isOrdered: Bool

    package func sum(_ perShard: [[Double]], for layer: String) throws -> [Double] {
        communicator.note(part: layer)
        if isOrdered { return try communicator.sumInFixedOrder(contributions: perShard) }
        var result = SoloStatistics().sum(perShard, for: layer)
        try communicator.allReduce(&result, .sum)
        return result
    }

    package func gather(_ perShard: [[Float]], for layer: String) throws -> (values: [Float], starts: [Int]) {
        communicator.note(part: layer)
        let (values, counts) = try communicator.allGatherCounted(perShard.flatMap { $0 })
        let first = counts[..<communicator.rank].reduce(0, +)
        return (values, Self.starts(perShard.map(\.count), from: first))
    }
}
