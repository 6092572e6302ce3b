import Collectives
import Networks

/// Adds up the gradients of all shards of all ranks, in buckets while the backward pass goes on; or, with deterministic
/// shards, afterwards in the fixed order of the shards.
///
/// Where an update moves few of the parameters, such as routers alone, their gradients are packed and sent afterwards: it
/// takes longer to send a whole arena beside the backward pass than a few kilobytes behind it.
package final class GradientExchange {
    /// This rank's gradients; the first arena holds the global sum after ``finish()``.
    package let gradients: Gradients
    private let communicator: any Communicator
    private let buckets: GradientBuckets?
    /// What writes gradients for other ranks, if not as they are.
    private let codec: (any GradientWireCodec)?
    /// The same where what it leaves out is sent later.
    private let feedback: ErrorFeedbackCodec?
    /// The step of the last update, and which one of it that was.
    private var position = (step: -1, update: 0)
    /// The first slot, as the backward pass comes to them, whose gradient of this rank's own images is not finite.
    package private(set) var notFinite: Slot?
    /// Whether an update has begun that is not finished.
    private var isOpen = false
    /// The slots of each group, first to last.
    private let slots: [Slot]
    /// The slots of an update that is sent packed, or nil.
    private var packedSlots: [Slot]?
    /// What is sent packed, one shard behind the other.
    private var packed: [Float] = []
    private var failure: (any Error)?

    package init(
        _ parameters: Parameters, shards: Int, isOrdered: Bool, bucketMegabytes: Double, wire: GradientWire = .float32,
        feedsErrorBack: Bool = false, seed: UInt64 = 0, _ communicator: any Communicator
    ) {
        gradients = Gradients(parameters, shards: shards)
        self.communicator = communicator
        slots = parameters.slots.filter { !$0.isStatistic }
        let plain =
            communicator.size > 1
            ? wire.codec(parameters, seed: seed, rank: communicator.rank, feedsBack: feedsErrorBack) : nil
        feedback = feedsErrorBack ? plain.map { ErrorFeedbackCodec($0, count: parameters.parameterCount) } : nil
        codec = feedback ?? plain
        buckets =
            isOrdered
            ? nil
            : GradientBuckets(
                arena: gradients.arenas[0], bucketBytes: max(4, Int(bucketMegabytes * 1_048_576)), codec: codec,
                communicator: communicator)
        gradients.onReady = { [unowned self] range in
            communicator.note(part: name(at: range.lowerBound))
            look(at: range)
            guard let buckets, failure == nil, packedSlots == nil else { return }
            do {
                try buckets.markReady(range)
                try buckets.progress()
            } catch { failure = error }
        }
    }

    /// Takes note of a gradient that is not finite, before sums hide whose it is.
    private func look(at range: Range<Int>) {
        guard notFinite == nil, gradients.arenas.contains(where: { !GradientNorm.isFinite($0, range) }) else { return }
        notFinite = slots.last { slot in
            range.overlaps(slot.range) && gradients.groups.contains(slot.group)
                && gradients.arenas.contains { !GradientNorm.isFinite($0, slot.range) }
        }
    }

    /// The name of the parameter that holds an element of the arena.
    private func name(at element: Int) -> String {
        slots.last { $0.range.lowerBound <= element }?.name ?? "parameters"
    }

    /// The global sum, once finished.
    package var total: UnsafeMutableBufferPointer<Float> { gradients.arenas[0] }

    /// Floats that the update under way sends of each shard.
    package var length: Int { packedSlots.map { $0.reduce(0) { $0 + $1.count } } ?? total.count }

    /// Bytes that this rank sends in the update under way; summed in the order of shards, about every shard's and the sum's.
    package var bytesSent: Int {
        let size = communicator.size
        guard packedSlots == nil, let buckets else {
            return (gradients.arenas.count + 1) * length * MemoryLayout<Float>.stride * (size - 1) / size
        }
        return buckets.bytesSent
    }

    /// Σ (g̃ − g)² and Σ g² of what this rank has written for others in this update; nil where gradients go as they are.
    package var wireSquares: (error: Double, gradient: Double)? { packedSlots == nil ? codec?.squares : nil }

    /// What this rank has left out of what it sent, laid out like the arena; nil where nothing is sent later.
    package var unsent: [Float]? {
        get { feedback?.residual }
        set { if let newValue { feedback?.restore(newValue) } }
    }

    /// Keeps the sums of slots that do not move after all, to be sent again.
    package func keep(_ slots: [Slot]) {
        // One rank keeps it: what ranks have left adds up.
        guard let feedback, packedSlots == nil, communicator.isRoot else { return }
        for slot in slots { feedback.keep(total, slot.range) }
    }

    /// Begins an update of some groups with zero gradients.
    ///
    /// Where few parameters move, their gradients go as they are, whatever the wire.
    /// - Parameter step: The step that the update belongs to.
    package func begin(_ groups: Set<ParameterGroup>, step: Int) {
        position = (step, position.step == step ? position.update + 1 : 0)
        codec?.begin(step: position.step, update: position.update)
        gradients.groups = groups
        gradients.clear()
        let moved = slots.filter { groups.contains($0.group) }
        let isMost = 2 * moved.reduce(0) { $0 + $1.count } > total.count
        packedSlots = isMost ? nil : moved
        notFinite = nil
        isOpen = true
        if isMost { buckets?.begin() }
    }

    /// Waits until the global sum is there, in the slots of the groups that the update moves; returns what the step waited
    /// and the whole span of the exchange, in seconds.
    package func finish() throws -> (waited: Double, span: Double) {
        isOpen = false
        if let failure { throw failure }
        if packedSlots == nil, let timing = try buckets?.finish() { return (timing.waitedSeconds, timing.spanSeconds) }
        let start = ContinuousClock.now
        if let packedSlots {
            try sum(packedSlots)
        } else {
            try communicator.sumInFixedOrder(contributions: gradients.arenas, into: total)
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        return (seconds, seconds)
    }

    /// Ends an update that is given up, if one is under way; all ranks give up the same ones.
    package func abandon() throws { if isOpen { _ = try finish() } }

    private func sum(_ slots: [Slot]) throws {
        packed.removeAll(keepingCapacity: true)
        for arena in gradients.arenas {
            for slot in slots { packed += arena[slot.range] }
        }
        let length = packed.count / gradients.arenas.count
        try packed.withUnsafeMutableBufferPointer { buffer in
            let shards = gradients.arenas.indices.map {
                UnsafeMutableBufferPointer(rebasing: buffer[$0 * length..<($0 + 1) * length])
            }
            if buckets == nil {
                try communicator.sumInFixedOrder(contributions: shards, into: shards[0])
            } else {
                try communicator.allReduceSum(shards[0])
            }
        }
        var place = 0
        for slot in slots {
            for index in slot.range {
                total[index] = packed[place]
                place += 1
            }
        }
    }
}
