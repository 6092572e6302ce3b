import Glibc
import Testing

@testable import Collectives

extension RankTests {
    /// Works through a queue; of every piece the result is its number and the rank.
    ///
    /// - Parameter work: Called between two calls of the queue's `tend()`; returns whether to stop all.
    private func results(
        _ pieces: [Int], _ work: (_ piece: Int) -> Bool = { _ in false }
    ) throws -> (results: [[UInt8]], isStopped: Bool) {
        var results: [[UInt8]] = []
        let queue = WorkQueue(communicator.isRoot ? pieces : [], communicator) { results.append($0) }
        while let piece = try queue.next() {
            try queue.tend()
            if work(piece) { try queue.stop() }
            try queue.tend()
            if queue.isStopped { break }
            // A result longer than what MPI sends at once.
            try queue.deliver([UInt8(piece % 251), UInt8(rank)] + [UInt8](repeating: 7, count: 70_000))
        }
        try queue.finish()
        try communicator.barrier()
        return (results, queue.isStopped)
    }

    @Test("Every piece of work is done once, whatever the number of ranks, and its result comes to rank 0")
    func workQueue() throws {
        for count in [0, 1, 2, 23] {
            let (found, isStopped) = try results(Array(0..<count))
            #expect(!isStopped)
            guard communicator.isRoot else {
                #expect(found.isEmpty)
                continue
            }
            #expect(found.map { Int($0[0]) }.sorted() == Array(0..<count))
            #expect(found.allSatisfy { $0.count == 70_002 && $0[2...].allSatisfy { $0 == 7 } })
        }
    }

    @Test("Ranks that are done sooner get more of the work")
    func unevenWork() throws {
        let last = size - 1
        let (found, _) = try results(Array(0..<30)) { _ in
            usleep(rank == last && size > 1 ? 100_000 : 2_000)
            return false
        }
        guard communicator.isRoot, size > 1 else { return }
        #expect(found.count == 30)
        #expect(found.count { $0[1] == UInt8(last) } < 30 / size)
    }

    @Test("A rank that stops stops all, and the next queue knows nothing of it")
    func stoppedWork() throws {
        for stopper in 0..<size {
            var begun = 0
            let (found, _) = try results(Array(0..<200)) { _ in
                usleep(2_000)
                begun += 1
                return rank == stopper && begun == 3
            }
            #expect(begun < 200)
            if communicator.isRoot { #expect(found.count < 200) }
        }
        let (found, isStopped) = try results([5, 4, 3])
        #expect(!isStopped)
        if communicator.isRoot { #expect(found.map { $0[0] }.sorted() == [3, 4, 5]) }
    }
}
