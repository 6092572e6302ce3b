/// Hands out pieces of work, known by their numbers, to ranks as they ask, and brings what they make of them to rank 0.
///
/// Rank 0 works too: it answers whenever it calls ``tend()``, between the steps of its own work, and in ``finish(_:)``.
/// Any rank may ask all to stop; the others learn of it at their next ``tend()`` or ``next()``. Every rank makes a queue,
/// takes pieces until there are none, and finishes it; before the next queue is made, ranks must have met in a collective
/// call. Which rank gets which piece depends on time alone, so results must not depend on the rank.
///
/// Messages: another rank tells rank 0 that it wants a piece, what a piece came to, that all are to stop, and, last, that
/// it leaves; it leaves when it was told, exactly once, that there is nothing more to do.
public final class WorkQueue {
    /// The first byte of a message to rank 0.
    private enum Notice: UInt8 { case wantsWork, result, stop, leaves }
    /// The first byte of a message from rank 0.
    private enum Answer: UInt8 { case piece, noMore, stop }

    private let communicator: any Communicator
    private let take: ([UInt8]) throws -> Void
    /// Rank 0: the pieces that nobody has yet.
    private var rest: ArraySlice<Int>
    /// Rank 0: whether each rank was told that there is nothing more to do, and how many have left.
    private var isTold: [Bool]
    private var leftCount = 0
    /// Other ranks: whether they were told.
    private var isDismissed = false
    /// Whether all are to stop, as far as this rank knows.
    public private(set) var isStopped = false

    /// Makes a queue; on every rank, without a message.
    ///
    /// - Parameters:
    ///   - pieces: The numbers of the pieces in the order in which they are handed out; only rank 0's matter.
    ///   - take: Called on rank 0 with what each piece came to, its own too, in no particular order.
    public init(
        _ pieces: [Int], _ communicator: any Communicator, take: @escaping (_ result: [UInt8]) throws -> Void
    ) {
        self.communicator = communicator
        self.take = take
        rest = pieces[...]
        isTold = (0..<communicator.size).map { $0 == 0 }
    }

    /// The number of a piece that is now this rank's to work on; nil where there are none left, or all are to stop.
    public func next() throws -> Int? {
        if isStopped || isDismissed { return nil }
        if communicator.isRoot {
            try tend()
            return isStopped ? nil : rest.popFirst()
        }
        try communicator.post([Notice.wantsWork.rawValue], to: 0)
        var piece: Int?
        try communicator.wait(for: "a piece of work") {
            piece = try hear()
            return piece != nil || isDismissed
        }
        return piece
    }

    /// Brings what a piece came to to rank 0.
    public func deliver(_ result: [UInt8]) throws {
        if communicator.isRoot { return try take(result) }
        try communicator.post([Notice.result.rawValue] + result, to: 0)
    }

    /// Answers on rank 0 those who ask, and lets others hear whether they are to stop; never waits.
    public func tend() throws {
        if communicator.size == 1 { return }
        guard communicator.isRoot else {
            if !isDismissed { _ = try hear() }
            return
        }
        while let (message, sender) = try communicator.collect() { try answer(message, from: sender) }
    }

    /// Asks all ranks to stop: no piece is handed out any more, and those under way need not be finished.
    public func stop() throws {
        if isStopped { return }
        isStopped = true
        if communicator.isRoot {
            for rank in 0..<communicator.size where !isTold[rank] { try tell(rank, .stop) }
        } else if !isDismissed {
            try communicator.post([Notice.stop.rawValue], to: 0)
        }
    }

    /// Returns, on rank 0, when every rank has left, and on others when rank 0 knows that they do.
    /// - Parameter idle: Called again and again on rank 0 while it waits.
    public func finish(_ idle: () throws -> Void = {}) throws {
        if communicator.size == 1 { return }
        guard communicator.isRoot else {
            try communicator.wait(for: "the end of the work") {
                if !isDismissed { _ = try hear() }
                return isDismissed
            }
            return try communicator.post([Notice.leaves.rawValue], to: 0)
        }
        try communicator.wait(for: "the others' work") {
            try tend()
            try idle()
            return leftCount == communicator.size - 1
        }
    }

    /// Takes a message of rank 0, if one is here, and returns the piece that it hands out.
    private func hear() throws -> Int? {
        guard let (message, _) = try communicator.collect() else { return nil }
        switch message.first.flatMap(Answer.init) {
        case .piece: return message.dropFirst().reduce(0) { $0 << 8 | Int($1) }
        case .stop: isStopped = true
        case .noMore: break
        case nil: preconditionFailure("expected a message of a work queue, found \(message.prefix(9))")
        }
        isDismissed = true
        return nil
    }

    private func answer(_ message: [UInt8], from rank: Int) throws {
        switch message.first.flatMap(Notice.init) {
        case .wantsWork where isTold[rank]: break
        case .wantsWork:
            guard let piece = rest.popFirst() else { return try tell(rank, .noMore) }
            let number = (0..<8).map { UInt8(truncatingIfNeeded: piece >> (56 - 8 * $0)) }
            try communicator.post([Answer.piece.rawValue] + number, to: rank)
        case .result: try take(Array(message.dropFirst()))
        case .stop: try stop()
        case .leaves: leftCount += 1
        case nil: preconditionFailure("expected a message of a work queue, found \(message.prefix(9))")
        }
    }

    /// Tells a rank that there is nothing more to do for it.
    private func tell(_ rank: Int, _ answer: Answer) throws {
        isTold[rank] = true
        try communicator.post([answer.rawValue], to: rank)
    }
}
