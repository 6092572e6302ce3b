import CMPI

/// Who of a job is at work, and where: ranks say so by themselves, so that a rank that stands still is told from one that has
/// much to do, and nobody asks a rank that may not answer.
///
/// Every rank tells rank 0, and rank 0 every other, by a short message of its own communicator: where a rank has come to
/// another place, or begins or ceases to wait, and again after a while where it has not. So rank 0 knows who is silent, the others
/// whether rank 0 is. In the long run messages come no closer than a tenth of a millisecond times the number of ranks, so that
/// listening costs rank 0 little whatever that number is; a few places may follow each other faster, and of many the last is told.
/// A message that has not left yet is not followed by another one. Main thread only.
final class Liveness {
    /// A message: whether the rank waits for others, then what it does, UTF-8, filled up with zeros.
    private static let messageBytes = 160

    private let communicator: MPI_Comm
    private let rank: Int
    private let size: Int
    /// The host of each rank.
    var hosts: [String]
    /// Where this rank is, in whole and in part.
    private var whole = "its start"
    private var part: String?
    /// The call in which this rank waits for others; nil where it works.
    private var waitsIn: String?
    /// Whether others know where this rank is, and whether it waits.
    private var isTold = true
    /// The shortest time between two messages to the same rank, in the long run.
    private let pause: Duration
    /// Time that has been saved up for messages, up to that of ``savings``, of which one takes ``pause``.
    private var saved: Duration
    /// The messages that time is saved up for; half of them for places rather than parts of them and waiting, which are many.
    private static let savings = 16
    /// When each rank was last heard of, when it last said that it works rather than waits, and what it was doing.
    private var heard: [ContinuousClock.Instant]
    private var worked: [ContinuousClock.Instant]
    private var places: [String]
    private var requests: [MPIRequest]
    /// A message for each rank, never given back: MPI may read it as long as the process lives.
    private let outgoing: UnsafeMutablePointer<UInt8>
    private let incoming: UnsafeMutablePointer<UInt8>
    private var sentCounts: [Int64]
    private var receivedCounts: [Int64]
    private var lastSent: ContinuousClock.Instant
    private var lastLook: ContinuousClock.Instant

    init(_ communicator: MPI_Comm, rank: Int, size: Int) {
        let now = ContinuousClock.now
        self.communicator = communicator
        self.rank = rank
        self.size = size
        heard = [ContinuousClock.Instant](repeating: now, count: size)
        worked = heard
        lastSent = now
        pause = .microseconds(100 * size)
        saved = pause * Self.savings
        lastLook = now
        hosts = [String](repeating: "unknown", count: size)
        places = [String](repeating: whole, count: size)
        requests = [MPIRequest](repeating: CMPI_requestNull(), count: size)
        outgoing = .allocate(capacity: size * Self.messageBytes)
        incoming = .allocate(capacity: Self.messageBytes)
        sentCounts = [Int64](repeating: 0, count: size)
        receivedCounts = sentCounts
    }

    /// The ranks that this one tells.
    private var listeners: Range<Int> { rank == 0 ? 1..<size : 0..<1 }

    /// Says that this rank works at a place.
    /// - Parameter interval: After how long the same is said again.
    func enter(_ place: String, saysAgainAfter interval: Duration) {
        if waitsIn != nil || place != whole { isTold = false }
        (whole, part, waitsIn) = (place, nil, nil)
        tell(after: interval, leaving: 0)
    }

    /// Says that this rank works at a part of the place that it is at.
    func enter(part newPart: String, saysAgainAfter interval: Duration) {
        if waitsIn != nil || newPart != part { isTold = false }
        (part, waitsIn) = (newPart, nil)
        tell(after: interval, leaving: Self.savings / 2)
    }

    /// Where this rank is.
    var place: String { part.map { "\(whole), \($0)" } ?? whole }

    /// Says that this rank waits for others in a call, at the place where it is.
    func wait(in call: String, saysAgainAfter interval: Duration) {
        if waitsIn != call {
            waitsIn = call
            isTold = false
        }
        tell(after: interval, leaving: Self.savings / 2)
    }

    /// - Parameter rest: The messages for which time is left after this one.
    private func tell(after interval: Duration, leaving rest: Int) {
        let now = ContinuousClock.now
        saved = min(pause * Self.savings, saved + (now - lastLook))
        lastLook = now
        guard isTold ? now - lastSent >= interval : saved >= pause * (rest + 1) else { return }
        saved -= pause
        lastSent = now
        isTold = true
        for listener in listeners { send(to: listener) }
        receive()
    }

    private func send(to listener: Int) {
        var done: Int32 = 1
        guard CMPI_test(&requests[listener], &done) == MPI_SUCCESS, done != 0 else { return }
        let message = outgoing + listener * Self.messageBytes
        message.update(repeating: 0, count: Self.messageBytes)
        message[0] = waitsIn == nil ? 0 : 1
        let text = waitsIn.map { "\(place), waiting in \($0)" } ?? place
        for (position, byte) in text.utf8.prefix(Self.messageBytes - 1).enumerated() {
            message[position + 1] = byte
        }
        let code = MPI_Isend(
            message, Int32(Self.messageBytes), CMPI_byte(), Int32(listener), 0, communicator, &requests[listener])
        if code == MPI_SUCCESS { sentCounts[listener] += 1 }
    }

    /// Takes the messages that have come.
    func receive() {
        while true {
            var (found, source): (Int32, Int32) = (0, -1)
            guard CMPI_probe(communicator, &found, &source) == MPI_SUCCESS, found != 0, source >= 0,
                CMPI_receive(incoming, Int32(Self.messageBytes), source, communicator) == MPI_SUCCESS
            else { return }
            let (teller, now) = (Int(source), ContinuousClock.now)
            receivedCounts[teller] += 1
            heard[teller] = now
            if incoming[0] == 0 { worked[teller] = now }
            let text = UnsafeBufferPointer(start: incoming + 1, count: Self.messageBytes - 1).prefix { $0 != 0 }
            places[teller] = String(decoding: text, as: UTF8.self)
        }
    }

    /// The ranks that have said nothing for longer than `limit` while this one waited; all others, where for so long nobody has
    /// said that he works: then they wait for each other.
    func silent(since start: ContinuousClock.Instant, longerThan limit: Duration) -> [SilentRank] {
        let now = ContinuousClock.now
        let tellers = rank == 0 ? Array(1..<size) : [0]
        func list(_ ranks: [Int], _ times: [ContinuousClock.Instant]) -> [SilentRank] {
            ranks.map { rank in
                SilentRank(
                    rank: rank, host: hosts[rank], seconds: (now - max(times[rank], start)) / .seconds(1),
                    place: places[rank])
            }
        }
        let gone = tellers.filter { now - max(heard[$0], start) > limit }
        if !gone.isEmpty { return list(gone, heard) }
        guard rank == 0, tellers.allSatisfy({ now - max(worked[$0], start) > limit }) else { return [] }
        return list(tellers, worked)
    }

    /// Takes all messages that are under way, so that MPI can end; every rank calls it.
    /// - Parameter exchange: Returns what every rank gave, one after the other in rank order, and how many each gave.
    func end(
        _ exchange: ([Int64]) throws(CollectiveError) -> (values: [Int64], counts: [Int])
    ) throws(CollectiveError) {
        let (values, counts) = try exchange(rank == 0 ? sentCounts : [sentCounts[0]])
        // Rank 0 gave a number for each rank, every other one number.
        let expected = rank == 0 ? [0] + values.dropFirst(counts[0]) : [values[rank]]
        let limit = ContinuousClock.now + .seconds(10)
        while zip(receivedCounts, expected).contains(where: { $0 < $1 }), ContinuousClock.now < limit { receive() }
    }
}

/// A rank that was waited for and said nothing.
public struct SilentRank: Equatable, Sendable {
    /// The rank.
    public let rank: Int
    /// The name of its host.
    public let host: String
    /// For how long, in seconds, while it was waited for.
    public let seconds: Double
    /// Where it was, and what it waited for if it did, when it last said so.
    public let place: String

    /// Makes a value of its parts.
    public init(rank: Int, host: String, seconds: Double, place: String) {
        self.rank = rank
        self.host = host
        self.seconds = seconds
        self.place = place
    }
}
