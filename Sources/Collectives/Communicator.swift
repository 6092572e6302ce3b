import Glibc

/// The ranks of a job, as one of them sees the others.
///
/// Every rank must make the same calls, in the same order, with the same counts where nothing else is said; otherwise
/// the job waits until ``timeoutSeconds`` have passed, or fails. After an error a communicator is unusable: every
/// further call throws the same error, buffers of calls under way belong to MPI, and the way out is
/// ``abort(exitCode:)``.
///
/// Deliberately not `Sendable`: one thread of a process, the one that started MPI, makes all calls.
public protocol Communicator: AnyObject {
    /// This process's place in the job, `0..<size`.
    var rank: Int { get }
    /// The number of ranks of the job.
    var size: Int { get }
    /// The name of the host that this rank runs on.
    var hostName: String { get }
    /// This rank's place among the ranks of its host, `0..<localSize`.
    var localRank: Int { get }
    /// The number of ranks that share this rank's host.
    var localSize: Int { get }
    /// How long a rank that is waited for may be silent, in seconds; nil means for ever.
    var timeoutSeconds: Double? { get set }

    /// Says that this rank is at work, and where, such as `step 17, attack`: work between two such notes may take as long as
    /// ``timeoutSeconds`` before others give this rank up.
    ///
    /// Not collective, and cheap; the text is made where there are other ranks.
    func note(_ place: @autoclosure () -> String)

    /// Says that this rank is at work at the place that it noted last, and at which part of it, such as a layer.
    func note(part: @autoclosure () -> String)

    /// Replaces each element of `buffer`, on every rank, by its sum, largest or smallest value over all ranks.
    ///
    /// All ranks get the same bits. `buffer` is equally long on every rank and may be empty.
    func allReduce<Element: CollectiveElement>(
        _ buffer: UnsafeMutableBufferPointer<Element>, _ reduction: Reduction
    ) throws(CollectiveError)

    /// Starts to replace each element of `buffer`, on every rank, by its sum over all ranks, and returns at once.
    ///
    /// Until the result has been waited for, `buffer` must stay where it is and nobody may read or write it. These
    /// reductions are ordered among themselves only: other calls may come between them at different points on
    /// different ranks.
    func startAllReduceSum(
        _ buffer: UnsafeMutableBufferPointer<Float>
    ) throws(CollectiveError) -> any PendingReduction

    /// Starts to send each rank a part of `outgoing` and to take a part of `incoming` from each, both in rank order, and returns at
    /// once.
    ///
    /// Until it has been waited for, both must stay where they are and nobody may touch them. Ordered like
    /// ``startAllReduceSum(_:)``, with which it shares its order.
    /// - Parameters:
    ///   - sent: The bytes for each rank; what rank s takes from rank r is what r has for s.
    ///   - taken: The bytes from each rank.
    func startAllToAll(
        _ outgoing: UnsafeMutableBufferPointer<UInt8>, counts sent: [Int],
        into incoming: UnsafeMutableBufferPointer<UInt8>, counts taken: [Int]
    ) throws(CollectiveError) -> any PendingReduction

    /// Starts to fill in the parts of `bytes` that the other ranks hold, and returns at once.
    ///
    /// As ``startAllToAll(_:counts:into:counts:)``, but ordered among themselves alone.
    /// - Parameter counts: The bytes that each rank holds, in rank order.
    func startAllGather(
        _ bytes: UnsafeMutableBufferPointer<UInt8>, counts: [Int]
    ) throws(CollectiveError) -> any PendingReduction

    /// Copies `bytes` of rank `root` into `bytes` of all others; equally long on every rank.
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws(CollectiveError)

    /// Returns on every rank the values of all ranks one after the other in rank order, and how many each rank gave.
    ///
    /// Ranks may give different numbers of values, and none.
    func allGatherCounted<Element: CollectiveElement>(
        _ values: [Element]
    ) throws(CollectiveError) -> (values: [Element], counts: [Int])

    /// Returns on rank `root` the bytes of each rank, in rank order, and nothing on the others.
    ///
    /// Ranks may give different numbers of bytes, and none.
    func gather(_ bytes: [UInt8], to root: Int) throws(CollectiveError) -> [[UInt8]]

    /// Returns when every rank has called it.
    func barrier() throws(CollectiveError)

    /// Sends a message to another rank, and does not wait until it is there; not collective.
    ///
    /// Messages from one rank to another come in the order in which they were posted.
    func post(_ message: [UInt8], to rank: Int) throws(CollectiveError)

    /// Returns a message that another rank has posted and that is here, and takes it away; nil where there is none.
    ///
    /// Not collective, and never waits for a message to be posted. All messages must have been taken when the job ends.
    func collect() throws(CollectiveError) -> (message: [UInt8], from: Int)?

    /// Asks `isDone` again and again until it says so, lets MPI work meanwhile and others have the core; not collective.
    ///
    /// - Parameter what: What is waited for, for the error where ranks are silent for too long.
    func wait(for what: String, until isDone: () throws -> Bool) throws

    /// Sums the contributions of all ranks element by element, in an order that the number of ranks doesn't change.
    ///
    /// Rank r's contributions number r·V to r·V + V − 1 in one list of S = V·size *shards*. An element of `result`, on
    /// every rank, is shard 0 plus shard 1 plus ... plus shard S − 1, added in this order: the same S shards give the
    /// same bits on any number of ranks that divides S.
    /// - Parameter contributions: at least one, as many on every rank, all as long as `result`; left as they are.
    /// - Parameter result: may be the first contribution itself; must not overlap them otherwise.
    func sumInFixedOrder(
        contributions: [UnsafeMutableBufferPointer<Float>], into result: UnsafeMutableBufferPointer<Float>
    ) throws(CollectiveError)

    /// Ends this process, and with it the whole job, with `exitCode`, whatever the other ranks are doing.
    ///
    /// What was printed is flushed; nothing else is cleaned up.
    func abort(exitCode: Int32) -> Never
}

/// How ``Communicator/allReduce(_:_:)`` combines the values of the ranks.
public enum Reduction: Sendable {
    case sum, max, min
}

/// A number type that ranks can exchange.
public protocol CollectiveElement: BitwiseCopyable, Comparable, AdditiveArithmetic, Sendable {
    /// The type's place in the closed list of types that can be exchanged.
    static var elementKind: ElementKind { get }
}

/// The closed list of number types that ranks can exchange.
public enum ElementKind: Sendable {
    case float, double, int64, uint8
}

extension Float: CollectiveElement {
    /// IEEE single precision.
    public static var elementKind: ElementKind { .float }
}

extension Double: CollectiveElement {
    /// IEEE double precision.
    public static var elementKind: ElementKind { .double }
}

extension Int64: CollectiveElement {
    /// Signed integers of 64 bits.
    public static var elementKind: ElementKind { .int64 }
}

extension UInt8: CollectiveElement {
    /// Bytes.
    public static var elementKind: ElementKind { .uint8 }
}

/// A reduction under way.
public protocol PendingReduction: AnyObject {
    /// Lets MPI do a little work and returns whether the result is there; never waits.
    func test() throws(CollectiveError) -> Bool
    /// Returns when the result is there.
    func wait() throws(CollectiveError)
}

extension Communicator {
    /// Whether this is rank 0, the one that writes files and speaks to the user.
    public var isRoot: Bool { rank == 0 }

    /// Replaces each element of `buffer`, on every rank, by its sum over all ranks.
    public func allReduceSum<Element: CollectiveElement>(
        _ buffer: UnsafeMutableBufferPointer<Element>
    ) throws(CollectiveError) {
        try allReduce(buffer, .sum)
    }

    /// Replaces each element of `buffer`, on every rank, by its largest value over all ranks.
    public func allReduceMax<Element: CollectiveElement>(
        _ buffer: UnsafeMutableBufferPointer<Element>
    ) throws(CollectiveError) {
        try allReduce(buffer, .max)
    }

    /// Replaces each of `values`, on every rank, by its sum, largest or smallest value over all ranks.
    public func allReduce<Element: CollectiveElement>(
        _ values: inout [Element], _ reduction: Reduction
    ) throws(CollectiveError) {
        try values.withUnsafeMutableBufferPointer { (buffer) throws(CollectiveError) in
            try allReduce(buffer, reduction)
        }
    }

    /// Returns `value` combined over all ranks.
    public func allReduce<Element: CollectiveElement>(
        _ value: Element, _ reduction: Reduction
    ) throws(CollectiveError) -> Element {
        var values = [value]
        try allReduce(&values, reduction)
        return values[0]
    }

    /// Returns on every rank the values of all ranks, one after the other in rank order; uneven counts are fine.
    public func allGather<Element: CollectiveElement>(_ values: [Element]) throws(CollectiveError) -> [Element] {
        try allGatherCounted(values).values
    }

    /// Sums small vectors of all ranks in shard order; see the version for `Float` for what that promises.
    ///
    /// - Parameter contributions: at least one, as many on every rank, equally long; V of them make V shards.
    /// - Returns: the sum of all shards of all ranks, the same bits on any number of ranks that divides their number.
    public func sumInFixedOrder(contributions: [[Double]]) throws(CollectiveError) -> [Double] {
        guard let count = contributions.first?.count else { preconditionFailure("expected at least one contribution") }
        precondition(
            contributions.allSatisfy { $0.count == count },
            "expected contributions of \(count) numbers each, found \(contributions.map(\.count))")
        try expectEqual(contributions.count, "number of contributions", count, "length of contributions")
        let shards = try allGather(contributions.flatMap { $0 })
        var sum = Array(shards.prefix(count))
        for start in stride(from: count, to: shards.count, by: max(1, count)) {
            for element in 0..<count { sum[element] += shards[start + element] }
        }
        return sum
    }

    /// Throws on every rank when the ranks don't agree on two numbers.
    func expectEqual(
        _ first: Int, _ firstName: String, _ second: Int, _ secondName: String
    ) throws(CollectiveError) {
        var extremes = [Int64(first), Int64(-first), Int64(second), Int64(-second)]
        try allReduce(&extremes, .max)
        for (name, largest, negated) in [(firstName, extremes[0], extremes[1]), (secondName, extremes[2], extremes[3])]
        where largest != -negated {
            throw CollectiveError(
                call: "sumInFixedOrder", rank: rank, size: size, host: hostName, count: nil,
                cause: .unequal(quantity: name, smallest: Int(-negated), largest: Int(largest)))
        }
    }
}

/// Adds `contributions` element by element, the first one first, into `result`, which may be the first one itself.
func addInOrder(_ contributions: [UnsafeMutablePointer<Float>], count: Int, into result: UnsafeMutablePointer<Float>) {
    if result != contributions[0] { result.update(from: contributions[0], count: count) }
    for contribution in contributions.dropFirst() {
        for element in 0..<count { result[element] += contribution[element] }
    }
}

/// The name of this host.
package func currentHostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
