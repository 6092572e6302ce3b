import Collectives
import Foundation

/// The communicator of one rank that works as it would among others, who never keep it waiting: they add nothing to sums, and
/// hold the same as this rank where values are gathered.
///
/// What a rank computes beside others, and what it sends, can so be found by one process.
final class RehearsalCommunicator: Communicator {
    /// What was exchanged.
    struct Traffic: Equatable {
        /// Bytes of gradients that were started early.
        var overlappedBytes = 0
        /// Reductions that were started early.
        var overlapped = 0
        /// Calls that were waited for at once: statistics, routers, the step's own sums.
        var immediate = 0
        /// Bytes of these.
        var immediateBytes = 0
    }

    let rank = 0
    let size: Int
    let hostName = "rehearsal"
    let localRank = 0
    let localSize = 1
    var timeoutSeconds: Double?
    private(set) var traffic = Traffic()
    private let solo = SoloCommunicator()

    /// Makes rank 0 of `size` ranks.
    init(size: Int) { self.size = size }

    func note(_ place: @autoclosure () -> String) {}
    func note(part: @autoclosure () -> String) {}

    func allReduce<Element: CollectiveElement>(_ buffer: UnsafeMutableBufferPointer<Element>, _ reduction: Reduction) {
        count(buffer.count * MemoryLayout<Element>.stride)
    }

    func startAllReduceSum(
        _ buffer: UnsafeMutableBufferPointer<Float>
    ) throws(CollectiveError) -> any PendingReduction {
        traffic.overlapped += 1
        traffic.overlappedBytes += buffer.count * MemoryLayout<Float>.stride
        return solo.startAllReduceSum(buffer)
    }

    func startAllToAll(
        _ outgoing: UnsafeMutableBufferPointer<UInt8>, counts sent: [Int],
        into incoming: UnsafeMutableBufferPointer<UInt8>, counts taken: [Int]
    ) -> any PendingReduction {
        traffic.overlapped += 1
        traffic.overlappedBytes += outgoing.count
        incoming.update(repeating: 0)
        return solo.startAllGather(incoming, counts: taken)
    }

    /// The second half of an exchange, whose bytes were counted with the first.
    func startAllGather(_ bytes: UnsafeMutableBufferPointer<UInt8>, counts: [Int]) -> any PendingReduction {
        solo.startAllGather(bytes, counts: counts)
    }

    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) { count(bytes.count) }

    func allGatherCounted<Element: CollectiveElement>(_ values: [Element]) -> (values: [Element], counts: [Int]) {
        count(values.count * MemoryLayout<Element>.stride)
        return ([[Element]](repeating: values, count: size).flatMap { $0 }, [Int](repeating: values.count, count: size))
    }

    func gather(_ bytes: [UInt8], to root: Int) -> [[UInt8]] {
        count(bytes.count)
        return [[UInt8]](repeating: bytes, count: size)
    }

    func barrier() { count(0) }
    func post(_ message: [UInt8], to rank: Int) {}
    func collect() -> (message: [UInt8], from: Int)? { nil }
    func wait(for what: String, until isDone: () throws -> Bool) rethrows { while try !isDone() {} }

    func sumInFixedOrder(
        contributions: [UnsafeMutableBufferPointer<Float>], into result: UnsafeMutableBufferPointer<Float>
    ) {
        // Every shard of every rank moves once to the rank that adds it, and the sums move back.
        count((contributions.count + 1) * result.count * MemoryLayout<Float>.stride)
        solo.sumInFixedOrder(contributions: contributions, into: result)
    }

    func abort(exitCode: Int32) -> Never { exit(exitCode) }

    private func count(_ bytes: Int) {
        traffic.immediate += 1
        traffic.immediateBytes += bytes
    }
}
