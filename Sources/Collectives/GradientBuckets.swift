/// The sum of one flat gradient arena over all ranks, overlapped with the backward pass that fills it.
///
/// The arena is cut into contiguous buckets at offsets that depend on its length and on the size of a bucket alone.
/// The backward pass marks the ranges that are final; a bucket whose elements are all final is reduced while the pass
/// goes on. Buckets start from the last to the first, the order in which a backward pass completes them, and no bucket
/// starts before those behind it: so every rank starts them in the same order whatever its images were routed to.
///
/// One step is ``begin()``, then ``markReady(_:)`` and ``progress()`` any number of times, then ``finish()``. After an
/// error it cannot be used again, like its communicator.
public final class GradientBuckets {
    /// What the reduction of one step cost.
    public struct Timing: Equatable, Sendable {
        /// Seconds that ``GradientBuckets/finish()`` took: what the step waited after its last gradient.
        public var waitedSeconds: Double
        /// Seconds from the start of the first bucket to the end of the last one.
        public var spanSeconds: Double
    }

    /// The buckets' ranges of the arena, first to last.
    public let ranges: [Range<Int>]

    private let arena: UnsafeMutableBufferPointer<Float>
    private let communicator: any Communicator
    private let bucketLength: Int
    private var readyCounts: [Int]
    private var unstarted: Int
    private var open: [any PendingReduction] = []
    private var firstStart: ContinuousClock.Instant?
    /// The sums of buckets that are encoded on their way, first to last; none where they are sent as they are.
    private let encoded: [EncodedReduction]

    /// Makes the buckets of `arena`, ready for a first step.
    ///
    /// - Parameter arena: the gradients; must stay where it is as long as the buckets are used. Equally long on every
    ///   rank.
    /// - Parameter bucketBytes: the size of a bucket, at least one element's four bytes; the last one may be smaller.
    ///   The same on every rank.
    /// - Parameter codec: how elements are written for other ranks, the same on every one; nil means as they are.
    public init(
        arena: UnsafeMutableBufferPointer<Float>, bucketBytes: Int, codec: (any GradientCodec)? = nil,
        communicator: any Communicator
    ) {
        let length = bucketBytes / MemoryLayout<Float>.stride
        precondition(length >= 1, "expected buckets of at least 4 bytes, found \(bucketBytes)")
        self.arena = arena
        self.communicator = communicator
        bucketLength = length
        ranges = stride(from: 0, to: arena.count, by: length).map { $0..<min(arena.count, $0 + length) }
        readyCounts = ranges.map { _ in 0 }
        unstarted = ranges.count
        if let codec, communicator.size > 1 {
            encoded = ranges.map { EncodedReduction($0, of: arena, codec, communicator) }
        } else {
            encoded = []
        }
    }

    /// Bytes that this rank sends in a step; of sums of floats, those that a ring sends.
    public var bytesSent: Int {
        if !encoded.isEmpty { return encoded.reduce(0) { $0 + $1.bytesSent } }
        let size = communicator.size
        return 2 * arena.count * MemoryLayout<Float>.stride * (size - 1) / size
    }

    /// Begins a step: no element is final, and the arena belongs to the caller.
    public func begin() {
        precondition(open.isEmpty, "expected the step before to be finished, found \(open.count) open buckets")
        for bucket in readyCounts.indices { readyCounts[bucket] = 0 }
        unstarted = ranges.count
        firstStart = nil
    }

    /// Says that the elements of `range` are final, and starts the buckets that this completes.
    ///
    /// From here to the end of ``finish()`` nobody may read or write them. Each element is marked at most once a step.
    public func markReady(_ range: Range<Int>) throws(CollectiveError) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= arena.count,
            "expected a range of an arena of \(arena.count) elements, found \(range)")
        var start = range.lowerBound
        while start < range.upperBound {
            let bucket = start / bucketLength
            let end = min(range.upperBound, ranges[bucket].upperBound)
            readyCounts[bucket] += end - start
            precondition(
                readyCounts[bucket] <= ranges[bucket].count,
                "expected each element to be marked once, found more marks than elements in \(ranges[bucket])")
            start = end
        }
        while unstarted > 0, readyCounts[unstarted - 1] == ranges[unstarted - 1].count { try startNext() }
    }

    /// Lets the open buckets advance; never waits.
    ///
    /// MPI moves data only while it is called, so a backward pass calls this between layers.
    public func progress() throws(CollectiveError) {
        while let oldest = open.first, try oldest.test() { open.removeFirst() }
    }

    /// Starts what has not been started, marked or not, and returns when the whole arena holds the sums of all ranks.
    public func finish() throws(CollectiveError) -> Timing {
        let entered = ContinuousClock.now
        while unstarted > 0 { try startNext() }
        for reduction in open { try reduction.wait() }
        open.removeAll()
        let end = ContinuousClock.now
        return Timing(
            waitedSeconds: (end - entered) / .seconds(1), spanSeconds: (end - (firstStart ?? end)) / .seconds(1))
    }

    private func startNext() throws(CollectiveError) {
        if firstStart == nil { firstStart = ContinuousClock.now }
        unstarted -= 1
        if !encoded.isEmpty {
            try encoded[unstarted].start()
            open.append(encoded[unstarted])
            return
        }
        let bucket = UnsafeMutableBufferPointer(rebasing: arena[ranges[unstarted]])
        open.append(try communicator.startAllReduceSum(bucket))
    }
}
