import Glibc

/// The communicator of a process that is alone: every collective returns at once, and MPI is never touched.
public final class SoloCommunicator: Communicator {
    /// Always 0.
    public let rank = 0
    /// Always 1.
    public let size = 1
    /// The name of this host.
    public let hostName = currentHostName()
    /// Always 0.
    public let localRank = 0
    /// Always 1.
    public let localSize = 1
    /// Kept, and without effect: nobody is waited for.
    public var timeoutSeconds: Double?

    /// Makes the communicator of a process that is alone.
    public init() {}

    /// Does nothing: nobody waits.
    public func note(_ place: @autoclosure () -> String) {}

    /// Does nothing: nobody waits.
    public func note(part: @autoclosure () -> String) {}

    /// Leaves `buffer` as it is: one rank's value is the sum and both extremes.
    public func allReduce<Element: CollectiveElement>(
        _ buffer: UnsafeMutableBufferPointer<Element>, _ reduction: Reduction
    ) {}

    /// Leaves `buffer` as it is and returns a reduction that is done.
    public func startAllReduceSum(_ buffer: UnsafeMutableBufferPointer<Float>) -> any PendingReduction {
        FinishedReduction()
    }

    /// Copies `outgoing` and returns an exchange that is done.
    public func startAllToAll(
        _ outgoing: UnsafeMutableBufferPointer<UInt8>, counts sent: [Int],
        into incoming: UnsafeMutableBufferPointer<UInt8>, counts taken: [Int]
    ) -> any PendingReduction {
        _ = incoming.update(from: outgoing)
        return FinishedReduction()
    }

    /// Leaves `bytes` as they are and returns an exchange that is done.
    public func startAllGather(_ bytes: UnsafeMutableBufferPointer<UInt8>, counts: [Int]) -> any PendingReduction {
        FinishedReduction()
    }

    /// Leaves `bytes` as they are.
    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) {
        expectMember(root)
    }

    /// Returns `values` and their count.
    public func allGatherCounted<Element: CollectiveElement>(
        _ values: [Element]
    ) -> (values: [Element], counts: [Int]) {
        (values, [values.count])
    }

    /// Returns `bytes` as the only rank's.
    public func gather(_ bytes: [UInt8], to root: Int) -> [[UInt8]] {
        expectMember(root)
        return [bytes]
    }

    /// Returns at once.
    public func barrier() {}

    /// Not to be called: there is nobody else.
    public func post(_ message: [UInt8], to rank: Int) {
        preconditionFailure("expected another rank than 0 of 1, found \(rank)")
    }

    /// Nothing: nobody posts.
    public func collect() -> (message: [UInt8], from: Int)? { nil }

    /// Asks until it is so.
    public func wait(for what: String, until isDone: () throws -> Bool) rethrows { while try !isDone() {} }

    /// Writes the sum of `contributions`, added in their order, to `result`.
    public func sumInFixedOrder(
        contributions: [UnsafeMutableBufferPointer<Float>], into result: UnsafeMutableBufferPointer<Float>
    ) {
        let shards = addresses(of: contributions, as: result)
        guard let sum = result.baseAddress else { return }
        addInOrder(shards, count: result.count, into: sum)
    }

    /// Ends the process with `exitCode`.
    public func abort(exitCode: Int32) -> Never {
        exit(exitCode)
    }
}

/// A reduction that nobody has to wait for.
final class FinishedReduction: PendingReduction {
    func test() -> Bool { true }
    func wait() {}
}

extension Communicator {
    /// Stops a program that names a rank that doesn't exist.
    func expectMember(_ root: Int) {
        precondition((0..<size).contains(root), "expected a rank below \(size), found \(root)")
    }

    /// Returns the addresses of contributions that must be as long as `result`; none when that is empty.
    func addresses(
        of contributions: [UnsafeMutableBufferPointer<Float>], as result: UnsafeMutableBufferPointer<Float>
    ) -> [UnsafeMutablePointer<Float>] {
        precondition(!contributions.isEmpty, "expected at least one contribution")
        precondition(
            contributions.allSatisfy { $0.count == result.count },
            "expected contributions of \(result.count) elements each, found \(contributions.map(\.count))")
        return contributions.compactMap(\.baseAddress)
    }
}
