import Collectives
import Networks

/// Adds up the gradients of all shards of all ranks, in buckets while the backward pass goes on; or, with deterministic
/// shards, afterwards in the fixed order of the shards.
final class GradientExchange {
    /// This rank's gradients; the first arena holds the global sum after ``finish()``.
    let gradients: Gradients
    private let communicator: any Communicator
    private let buckets: GradientBuckets?
    private var failure: (any Error)?

    init(
        _ parameters: Parameters, shards: Int, isOrdered: Bool, bucketMegabytes: Double,
        _ communicator: any Communicator
    ) {
        gradients = Gradients(parameters, shards: shards)
        self.communicator = communicator
        buckets =
            isOrdered
            ? nil
            : GradientBuckets(
                arena: gradients.arenas[0], bucketBytes: max(4, Int(bucketMegabytes * 1_048_576)),
                communicator: communicator)
        if let buckets {
            gradients.onReady = { [unowned self] range in
                if failure != nil { return }
                do {
                    try buckets.markReady(range)
                    try buckets.progress()
                } catch { failure = error }
            }
        }
    }

    /// The global sum, once finished.
    var total: UnsafeMutableBufferPointer<Float> { gradients.arenas[0] }

    /// Begins an update of some groups with zero gradients.
    func begin(_ groups: Set<ParameterGroup>) {
        gradients.groups = groups
        gradients.clear()
        buckets?.begin()
    }

    /// Waits until the global sum is there; returns what the step waited and the whole span of the exchange, in seconds.
    func finish() throws -> (waited: Double, span: Double) {
        if let failure { throw failure }
        if let timing = try buckets?.finish() { return (timing.waitedSeconds, timing.spanSeconds) }
        let start = ContinuousClock.now
        try communicator.sumInFixedOrder(contributions: gradients.arenas, into: total)
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        return (seconds, seconds)
    }
}
