import Testing

@testable import Collectives

/// Two ranks with equal gradients, as one of them sees it: reducing doubles, at the time of waiting or testing.
final class RecordingCommunicator: Communicator {
    final class Reduction: PendingReduction {
        let buffer: UnsafeMutableBufferPointer<Float>
        let delay: Duration
        var testsUntilDone: Int
        var waits = 0

        init(_ buffer: UnsafeMutableBufferPointer<Float>, testsUntilDone: Int, delay: Duration) {
            self.buffer = buffer
            self.testsUntilDone = testsUntilDone
            self.delay = delay
        }

        func test() -> Bool {
            if testsUntilDone == 0 { return true }
            testsUntilDone -= 1
            if testsUntilDone == 0 { reduce() }
            return testsUntilDone == 0
        }

        func wait() {
            waits += 1
            if testsUntilDone == 0 { return }
            let end = ContinuousClock.now + delay
            while ContinuousClock.now < end {}
            testsUntilDone = 0
            reduce()
        }

        private func reduce() {
            for element in buffer.indices { buffer[element] *= 2 }
        }
    }

    let rank = 0
    let size = 2
    let hostName = "here"
    let localRank = 0
    let localSize = 2
    var timeoutSeconds: Double?
    func note(_ place: @autoclosure () -> String) {}
    func note(part: @autoclosure () -> String) {}
    func post(_ message: [UInt8], to rank: Int) {}
    func collect() -> (message: [UInt8], from: Int)? { nil }
    func wait(for what: String, until isDone: () throws -> Bool) rethrows { while try !isDone() {} }
    func startAllToAll(
        _ outgoing: UnsafeMutableBufferPointer<UInt8>, counts sent: [Int],
        into incoming: UnsafeMutableBufferPointer<UInt8>, counts taken: [Int]
    ) -> any PendingReduction { FinishedReduction() }
    func startAllGather(_ bytes: UnsafeMutableBufferPointer<UInt8>, counts: [Int]) -> any PendingReduction {
        FinishedReduction()
    }
    var started: [Reduction] = []
    var refusal: CollectiveError?
    var delay = Duration.zero

    func startAllReduceSum(
        _ buffer: UnsafeMutableBufferPointer<Float>
    ) throws(CollectiveError) -> any PendingReduction {
        if let refusal { throw refusal }
        let reduction = Reduction(buffer, testsUntilDone: 2, delay: delay)
        started.append(reduction)
        return reduction
    }

    func allReduce<Element: CollectiveElement>(
        _ buffer: UnsafeMutableBufferPointer<Element>, _ reduction: Collectives.Reduction
    ) {}
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) {}
    func allGatherCounted<Element: CollectiveElement>(_ values: [Element]) -> (values: [Element], counts: [Int]) {
        (values + values, [values.count, values.count])
    }
    func gather(_ bytes: [UInt8], to root: Int) -> [[UInt8]] { [bytes, bytes] }
    func barrier() {}
    func sumInFixedOrder(
        contributions: [UnsafeMutableBufferPointer<Float>], into result: UnsafeMutableBufferPointer<Float>
    ) {}
    func abort(exitCode: Int32) -> Never { preconditionFailure("aborted with \(exitCode)") }
}

@Suite("Gradient buckets")
struct GradientBucketsTests {
    /// Calls `body` with an arena of `1, 2, 3, ...` and its buckets of three elements.
    func withBuckets(
        _ count: Int, _ body: (GradientBuckets, UnsafeMutableBufferPointer<Float>, RecordingCommunicator) throws -> Void
    ) rethrows {
        var values = (0..<count).map { Float($0 + 1) }
        try values.withUnsafeMutableBufferPointer { arena in
            let communicator = RecordingCommunicator()
            let buckets = GradientBuckets(arena: arena, bucketBytes: 14, communicator: communicator)
            try body(buckets, arena, communicator)
        }
    }

    @Test("The arena is cut at fixed offsets, the last bucket taking what is left")
    func cuts() {
        withBuckets(10) { buckets, _, _ in #expect(buckets.ranges == [0..<3, 3..<6, 6..<9, 9..<10]) }
        withBuckets(6) { buckets, _, _ in #expect(buckets.ranges == [0..<3, 3..<6]) }
        withBuckets(0) { buckets, _, _ in #expect(buckets.ranges == []) }
    }

    @Test("Buckets start from the last to the first, however they become ready")
    func order() throws {
        try withBuckets(10) { buckets, arena, communicator in
            func startedLengths() -> [Int] { communicator.started.map(\.buffer.count) }
            func startedOffsets() -> [Int] {
                communicator.started.compactMap { reduction in
                    reduction.buffer.baseAddress.flatMap { address in arena.baseAddress.map { address - $0 } }
                }
            }
            try buckets.markReady(0..<8)
            #expect(startedOffsets() == [])
            try buckets.markReady(9..<10)
            #expect(startedOffsets() == [9])
            try buckets.markReady(8..<8)
            #expect(startedOffsets() == [9])
            try buckets.markReady(8..<9)
            #expect(startedOffsets() == [9, 6, 3, 0])
            #expect(startedLengths() == [1, 3, 3, 3])
        }
    }

    @Test("A bucket whose last element is missing waits, and finishing starts it all the same")
    func incomplete() throws {
        try withBuckets(6) { buckets, arena, communicator in
            try buckets.markReady(4..<6)
            #expect(communicator.started.isEmpty)
            _ = try buckets.finish()
            #expect(communicator.started.count == 2)
            #expect(Array(arena) == [2, 4, 6, 8, 10, 12])
        }
    }

    @Test("Every element is reduced exactly once a step, in every step", arguments: [0, 1, 2, 3, 4, 6, 7, 20])
    func exactlyOnce(count: Int) throws {
        try withBuckets(count) { buckets, arena, communicator in
            for step in 1...3 {
                buckets.begin()
                var end = count
                while end > 0 {
                    let start = max(0, end - step * 2)
                    try buckets.markReady(start..<end)
                    try buckets.progress()
                    end = start
                }
                _ = try buckets.finish()
                #expect(Array(arena) == (0..<count).map { Float(($0 + 1) << step) })
                #expect(communicator.started.count == step * buckets.ranges.count)
            }
        }
    }

    @Test("Progress tests open buckets in the order of their start, and what is done is not waited for")
    func progress() throws {
        try withBuckets(6) { buckets, _, communicator in
            try buckets.markReady(0..<6)
            try buckets.progress()
            #expect(communicator.started.map(\.testsUntilDone) == [1, 2])
            try buckets.progress()
            #expect(communicator.started.map(\.testsUntilDone) == [0, 1])
            _ = try buckets.finish()
            #expect(communicator.started.map(\.waits) == [0, 1])
        }
    }

    @Test("The wait after the last gradient and the whole span are measured apart")
    func timing() throws {
        try withBuckets(3) { buckets, _, communicator in
            communicator.delay = .milliseconds(20)
            try buckets.markReady(0..<3)
            let end = ContinuousClock.now + .milliseconds(30)
            while ContinuousClock.now < end {}
            let timing = try buckets.finish()
            #expect(timing.waitedSeconds >= 0.02)
            #expect(timing.spanSeconds >= timing.waitedSeconds + 0.03)
        }
        try withBuckets(0) { buckets, _, _ in
            let timing = try buckets.finish()
            #expect(timing.spanSeconds == 0)
        }
    }

    @Test("A reduction that cannot be started is reported")
    func refusal() throws {
        withBuckets(3) { buckets, _, communicator in
            let refusal = CollectiveError(
                call: "MPI_Iallreduce", rank: 0, size: 2, host: "here", count: 3,
                cause: .noAnswer(elapsedSeconds: 300, silent: []))
            communicator.refusal = refusal
            #expect(throws: refusal) { try buckets.markReady(0..<3) }
        }
    }
}
