import Glibc
import TestSupport
import Testing

@testable import Collectives

/// Expects the elements of `expected`, and reports only the first that differs: whole arrays are too long to print.
func expectSame<Element: Equatable>(
    _ found: [Element], _ expected: [Element], _ sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(found.count == expected.count, sourceLocation: sourceLocation)
    guard let index = zip(found, expected).enumerated().first(where: { $1.0 != $1.1 })?.offset else { return }
    Issue.record(
        "expected \(expected[index]) at \(index), found \(found[index])", sourceLocation: sourceLocation)
}

/// Tests whose expected values are arithmetic in rank and size, so that they hold for any number of ranks.
///
/// One serialized suite holds them all, because every rank has to run them in the same order.
@Suite("Ranks of a job", .serialized)
@MainActor
struct RankTests {
    let communicator = Ranks.communicator
    var rank: Int { communicator.rank }
    var size: Int { communicator.size }
    /// The sum of all ranks, counted from 1.
    var triangle: Int { size * (size + 1) / 2 }

    nonisolated static let counts = [0, 1, 7, 65537]

    /// Calls `body` with the communicator as it is, and again with limits so low that everything is split.
    func wholeAndSplit(_ body: () throws -> Void) rethrows {
        try body()
        guard let ranks = communicator as? MPICommunicator else { return }
        let limits = (ranks.largestCount, ranks.largestScratch)
        (ranks.largestCount, ranks.largestScratch) = (3000, 2000)
        defer { (ranks.largestCount, ranks.largestScratch) = limits }
        try body()
    }

    func expectSums<Element: CollectiveElement>(_ count: Int, _ number: (Int) -> Element) throws {
        try wholeAndSplit {
            var values = (0..<count).map { number((rank + 1) * ($0 % 100 + 1)) }
            try communicator.allReduce(&values, .sum)
            expectSame(values, (0..<count).map { number(triangle * ($0 % 100 + 1)) })

            values = (0..<count).map { number((rank + 1) * ($0 % 100 + 1)) }
            try values.withUnsafeMutableBufferPointer { try communicator.allReduceMax($0) }
            expectSame(values, (0..<count).map { number(size * ($0 % 100 + 1)) })

            values = (0..<count).map { number((rank + 1) * ($0 % 100 + 1)) }
            try communicator.allReduce(&values, .min)
            expectSame(values, (0..<count).map { number($0 % 100 + 1) })
        }
    }

    @Test("The job has the ranks that its launcher says, each once")
    func identity() throws {
        if let launched = LaunchEnvironment.current.size { #expect(size == launched) }
        #expect(rank == LaunchEnvironment.current.rank)
        #expect(try communicator.allGather([Int64(rank)]) == (0..<size).map { Int64($0) })
        #expect((0..<communicator.localSize).contains(communicator.localRank))
        if let localRank = LaunchEnvironment.current.localRank { #expect(communicator.localRank == localRank) }
    }

    @Test("Sums and extremes of floats, doubles and integers cover all ranks", arguments: counts)
    func reductions(count: Int) throws {
        try expectSums(count) { Float($0) }
        try expectSums(count) { Double($0) + 0.5 * Double($0) }
        try expectSums(count) { Int64($0) << 33 }
    }

    @Test("A reduction started early ends with the same sum, others being made in between", arguments: counts)
    func startedReductions(count: Int) throws {
        try wholeAndSplit {
            var first = (0..<count).map { Float((rank + 1) * ($0 % 100)) }
            var second = [Float](repeating: Float(rank), count: 3)
            try first.withUnsafeMutableBufferPointer { first in
                try second.withUnsafeMutableBufferPointer { second in
                    let one = try communicator.startAllReduceSum(first)
                    let other = try communicator.startAllReduceSum(second)
                    #expect(try communicator.allReduce(Int64(1), .sum) == Int64(size))
                    while try !other.test() {}
                    try one.wait()
                    #expect(try one.test())
                }
            }
            expectSame(first, (0..<count).map { Float(triangle * ($0 % 100)) })
            expectSame(second, [Float](repeating: Float(triangle - size), count: 3))
        }
    }

    @Test("Started reductions may stand before or after other calls on different ranks")
    func orderOfStartedReductions() throws {
        var values = [Float](repeating: Float(rank + 1), count: 65537)
        try values.withUnsafeMutableBufferPointer { buffer in
            let early = rank % 2 == 0 ? try communicator.startAllReduceSum(buffer) : nil
            #expect(try communicator.allReduce(1.5, .sum) == 1.5 * Double(size))
            try (early ?? communicator.startAllReduceSum(buffer)).wait()
        }
        expectSame(values, [Float](repeating: Float(triangle), count: values.count))
    }

    @Test("A broadcast gives every rank the bytes of each root in turn", arguments: counts)
    func broadcasts(count: Int) throws {
        try wholeAndSplit {
            for root in 0..<size {
                var bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 3 + rank + 1) }
                try bytes.withUnsafeMutableBufferPointer {
                    try communicator.broadcast(UnsafeMutableRawBufferPointer($0), from: root)
                }
                expectSame(bytes, (0..<count).map { UInt8(truncatingIfNeeded: $0 * 3 + root + 1) })
            }
        }
    }

    @Test("Uneven parts are gathered everywhere in rank order", arguments: counts)
    func allGathers(count: Int) throws {
        /// Rank r's part: r·count values, so that rank 0's is empty.
        func part<Element>(_ rank: Int, _ number: (Int) -> Element) -> [Element] {
            (0..<rank * count).map { number($0 % 50 + rank) }
        }
        try wholeAndSplit {
            let floats = try communicator.allGatherCounted(part(rank) { Float($0) })
            expectSame(floats.values, (0..<size).flatMap { part($0) { Float($0) } })
            #expect(floats.counts == (0..<size).map { $0 * count })
            let doubles = try communicator.allGather(part(rank) { Double($0) / 3 })
            expectSame(doubles, (0..<size).flatMap { part($0) { Double($0) / 3 } })
            let bytes = try communicator.allGather(part(rank) { UInt8($0) })
            expectSame(bytes, (0..<size).flatMap { part($0) { UInt8($0) } })
        }
    }

    @Test("Bytes of any length are gathered at each root, and nowhere else", arguments: counts)
    func gathers(count: Int) throws {
        func part(_ rank: Int) -> [UInt8] {
            (0..<(size - rank - 1) * count).map { UInt8(truncatingIfNeeded: $0 + rank) }
        }
        try wholeAndSplit {
            for root in 0..<size {
                let parts = try communicator.gather(part(rank), to: root)
                let expected = rank == root ? (0..<size).map(part) : []
                expectSame(parts.map(\.count), expected.map(\.count))
                expectSame(parts.flatMap { $0 }, expected.flatMap { $0 })
            }
        }
    }

    @Test("Nobody leaves a barrier before all have entered it")
    func barriers() throws {
        try communicator.barrier()
        let start = ContinuousClock.now
        if rank == size - 1 { usleep(200_000) }
        try communicator.barrier()
        #expect(ContinuousClock.now - start >= .milliseconds(size == 1 || rank == size - 1 ? 200 : 100))
    }

    @Test("The fixed-order sum has the bits of the plain sum over all shards", arguments: counts)
    func fixedOrder(count: Int) throws {
        // Twelve shards wherever twelve can be divided: then every number of ranks computes the very same sum.
        let each = 12 % size == 0 ? 12 / size : 1
        func element(_ shard: Int, _ index: Int) -> Float {
            let magnitudes: [Float] = [1e-3, 1, 1e4, 0.1, 3e6]
            return Float((shard * 7919 + index * 10_473) % 1999 - 999) * magnitudes[(shard * 3 + index) % 5]
        }
        func reference(_ shards: some Sequence<Int>) -> [Float] {
            (0..<count).map { index in
                let values = shards.map { element($0, index) }
                return values.dropFirst().reduce(values[0], +)
            }
        }
        let expected = reference(0..<each * size)
        if count > 1 && each * size > 2 {
            let orderMatters = expected != reference((0..<each * size).reversed())
            #expect(orderMatters)
        }
        try wholeAndSplit {
            let shards = (0..<each).map { local in
                let shard = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
                for index in 0..<count { shard[index] = element(rank * each + local, index) }
                return shard
            }
            defer { for shard in shards { shard.deallocate() } }
            var sum = [Float](repeating: .nan, count: count)
            try sum.withUnsafeMutableBufferPointer { try communicator.sumInFixedOrder(contributions: shards, into: $0) }
            expectSame(sum.map(\.bitPattern), expected.map(\.bitPattern))
            let untouched = (0..<each).allSatisfy { local in
                (0..<count).allSatisfy { shards[local][$0] == element(rank * each + local, $0) }
            }
            #expect(untouched)
            try communicator.sumInFixedOrder(contributions: shards, into: shards[0])
            expectSame(shards[0].map(\.bitPattern), expected.map(\.bitPattern))
        }
    }

    @Test("The fixed-order sum of doubles is added in shard order too")
    func fixedOrderOfDoubles() throws {
        func vector(_ shard: Int) -> [Double] { [[1e16, 3, -1e16, 0.5][shard % 4], Double(shard), 0.1] }
        let shards = (0..<2 * size).map(vector)
        let sum = try communicator.sumInFixedOrder(contributions: [vector(2 * rank), vector(2 * rank + 1)])
        for index in 0..<3 {
            let expected = shards.dropFirst().reduce(shards[0][index]) { $0 + $1[index] }
            #expect(sum[index].bitPattern == expected.bitPattern)
        }
    }

    @Test("Ranks whose contributions differ in length are told so, all of them")
    func disagreement() throws {
        func sum() throws { _ = try communicator.sumInFixedOrder(contributions: [[Double](repeating: 1, count: rank)]) }
        if size == 1 { return try sum() }
        let error = #expect(throws: CollectiveError.self) { try sum() }
        #expect(error?.cause == .unequal(quantity: "length of contributions", smallest: 0, largest: size - 1))
    }

    @Test("Buckets sum an arena over the ranks, step after step", arguments: counts)
    func buckets(count: Int) throws {
        var values = [Float](repeating: 0, count: count)
        try values.withUnsafeMutableBufferPointer { arena in
            let buckets = GradientBuckets(arena: arena, bucketBytes: 4 * 1000, communicator: communicator)
            for step in 1...3 {
                buckets.begin()
                for index in arena.indices { arena[index] = Float((rank + 1) * (index % 100 + step)) }
                var end = count
                while end > 0 {
                    let start = max(0, end - 777)
                    try buckets.markReady(start..<end)
                    try buckets.progress()
                    end = start
                }
                _ = try buckets.finish()
                expectSame(Array(arena), (0..<count).map { Float(triangle * ($0 % 100 + step)) })
            }
        }
    }

    @Test("The topology has every rank once, with a mask")
    func topology() throws {
        let hosts = try NodeTopology.gather(communicator).hosts
        #expect(hosts.flatMap(\.ranks).sorted() == Array(0..<size))
        #expect(hosts.allSatisfy { $0.masks.count == $0.ranks.count && $0.masks.allSatisfy { $0.count >= 1 } })
        let own = try #require(hosts.first { $0.ranks.contains(rank) })
        #expect(own.name == communicator.hostName && own.ranks.count == communicator.localSize)
        #expect(own.masks[try #require(own.ranks.firstIndex(of: rank))] == CoreSet.ofThisProcess())
    }

    @Test("A rank that says that it is at work is waited for, however long that takes")
    func patience() throws {
        guard size > 1 else { return }
        let patient = try MPICommunicator(hostName: communicator.hostName)
        // Long enough for a machine that has other work too.
        patient.timeoutSeconds = 1.2
        for worker in 0..<size {
            for piece in 0..<16 where rank == worker {
                usleep(100_000)
                patient.note("piece \(piece)")
            }
            try patient.barrier()
        }
        try patient.endNotes()
    }

    @Test("To say where a rank is costs microseconds, its message included")
    func costOfNotes() throws {
        let count = 400
        var seconds = 0.0
        for step in 0..<count {
            // Longer than the pause between two messages, so that each is told.
            usleep(useconds_t(150 * size))
            let start = Self.processorSeconds
            communicator.note("step \(step), backward, layer4.1.conv2.experts.3.weight")
            seconds += Self.processorSeconds - start
        }
        let empty = Self.processorSeconds
        for _ in 0..<count { _ = Self.processorSeconds }
        let each = (seconds - (Self.processorSeconds - empty)) / Double(count)
        let slowest = try communicator.allReduce(each, .max)
        if rank == 0 { print("a note takes \((slowest * 1e8).rounded() / 100) microseconds of \(size) ranks") }
        #expect(slowest < 100e-6)
    }

    /// Seconds of processor time that this thread has had.
    private static var processorSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    @Test("A rank that is left alone says so in time, and stays failed")
    func timeLimit() throws {
        guard size > 1 else { return }
        // A communicator of its own, since a failed one is of no use to the other tests.
        let doomed = try MPICommunicator(hostName: communicator.hostName)
        doomed.timeoutSeconds = 0.2
        if rank == 0 {
            let error = #expect(throws: CollectiveError.self) { try doomed.barrier() }
            #expect(error?.call == "MPI_Ibarrier" && error?.rank == 0 && error?.host == communicator.hostName)
            if case .noAnswer(let elapsed, let silent) = error?.cause {
                #expect(elapsed >= 0.2 && elapsed < 5)
                #expect(silent.map(\.rank) == Array(1..<size))
                #expect(error?.place?.hasPrefix("its start") == true)
                #expect(silent.allSatisfy { $0.seconds >= 0.2 && $0.place.hasPrefix("its start") })
                #expect(silent.allSatisfy { $0.host == communicator.hostName })
            } else {
                Issue.record("expected no answer, found \(String(describing: error))")
            }
            let next = #expect(throws: CollectiveError.self) { try doomed.allReduce(1.0, .sum) }
            #expect(next == error)
        }
        try communicator.barrier()
        // The others answer late, so that nothing is left open when MPI ends.
        if rank != 0 {
            doomed.timeoutSeconds = 60
            try doomed.barrier()
        }
        try communicator.barrier()
    }
}
