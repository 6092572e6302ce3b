import Tensors

/// Parameter gradients: one arena a shard, laid out like the parameter arena.
///
/// Gradients are sums over the shard's images of what ``Tensors/CrossEntropy`` and the balancing losses divide by the global
/// batch; adding all arenas of all ranks gives the gradient of the global batch.
public final class Gradients {
    /// The arenas, one for each shard of this rank.
    public let arenas: [UnsafeMutableBufferPointer<Float>]
    /// The groups whose gradients are wanted; others may stay as they are.
    public var groups: Set<ParameterGroup> = [.backbone, .router]
    /// Called when a range of every arena is complete, from the end of the arena towards its beginning; this is also
    /// the moment to let open exchanges progress.
    public var onReady: (Range<Int>) -> Void = { _ in }

    /// Makes zeroed arenas for the parameters.
    public init(_ parameters: Parameters, shards: Int = 1) {
        precondition(shards >= 1, "a rank holds at least one shard, got \(shards)")
        let count = parameters.parameterCount
        arenas = (0..<shards).map { _ in
            let pointer = allocateFloats(max(16, count))
            pointer.initialize(repeating: 0, count: count)
            return UnsafeMutableBufferPointer(start: pointer, count: count)
        }
    }

    deinit { for arena in arenas { arena.deallocate() } }

    /// Sets all arenas to zero.
    public func clear() {
        for arena in arenas { arena.update(repeating: 0) }
    }

    func pointer(_ slot: Slot, shard: Int) -> FloatPointer {
        guard let start = arenas[shard].baseAddress else { preconditionFailure("an empty gradient arena") }
        return start + slot.offset
    }
}
