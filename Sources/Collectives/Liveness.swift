import CMPI

/// Who of a job is at work, and where: ranks say so by themselves, so that a rank that stands still is told from one that has
/// much to do, and nobody asks a rank that may not answer.
///
/// Every rank tells rank 0, and rank 0 every other, by a short message of its own communicator: at once where a rank has come to
/// another place, and again after a while where it has not. So rank 0 knows who is silent, the others whether rank 0 is. A
/// message that has not left yet is not followed by another one. Main thread only.
final class Liveness {
    /// A message: whether the rank waits for others, then the place, UTF-8, filled up with zeros.
    private static let messageBytes = 160
    /// Where a rank is before it says so.
    private static let start = "its start"

    private let communicator: MPI_Comm
    private let rank: Int
    private let size: Int
    /// When each rank was last heard of, when it last said that it works rather than waits, and where.
    private var heard: [ContinuousClock.Instant]
    private var worked: [ContinuousClock.Instant]
    private var places: [String]
    private var requests: [MPI_Request?]
    /// A message for each rank. It is never given back: MPI may read it as long as the process lives.
    private let outgoing: UnsafeMutablePointer<UInt8>
    private let incoming: UnsafeMutablePointer<UInt8>
    private var sentCounts: [Int64]
    private var receivedCounts: [Int64]
    private var lastSent: ContinuousClock.Instant
    private var lastPlace = Liveness.start
    private var lastWaits = false

    init(_ communicator: MPI_Comm, rank: Int, size: Int) {
        let now = ContinuousClock.now
        self.communicator = communicator
        self.rank = rank
        self.size = size
        heard = [ContinuousClock.Instant](repeating: now, count: size)
        worked = heard
        lastSent = now
        places = [String](repeating: Self.start, count: size)
        requests = [MPI_Request?](repeating: CMPI_requestNull(), count: size)
        outgoing = .allocate(capacity: size * Self.messageBytes)
        incoming = .allocate(capacity: Self.messageBytes)
        sentCounts = [Int64](repeating: 0, count: size)
        receivedCounts = sentCounts
    }

    /// The ranks that this one tells.
    private var listeners: Range<Int> { rank == 0 ? 1..<size : 0..<1 }

    /// Whether the last message is so young that another one would only cost time.
    func isFresh(_ now: ContinuousClock.Instant) -> Bool { now - lastSent < .milliseconds(50) }

    /// Tells that this rank works at a place, or, where none is given, that it waits for others at the last one.
    /// - Parameter interval: After how long the same is said again.
    func tell(_ place: String?, after interval: Duration) {
        let now = ContinuousClock.now
        let waits = place == nil
        let isNew = waits != lastWaits || (place.map { $0 != lastPlace } ?? false)
        guard size > 1, isNew || now - lastSent >= interval else { return }
        lastSent = now
        lastWaits = waits
        if let place { lastPlace = place }
        for listener in listeners { send(to: listener) }
        receive()
    }

    private func send(to listener: Int) {
        var done: Int32 = 1
        guard CMPI_test(&requests[listener], &done) == MPI_SUCCESS, done != 0 else { return }
        let message = outgoing + listener * Self.messageBytes
        message.update(repeating: 0, count: Self.messageBytes)
        message[0] = lastWaits ? 1 : 0
        for (position, byte) in lastPlace.utf8.prefix(Self.messageBytes - 1).enumerated() {
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
            ranks.map { SilentRank(rank: $0, seconds: (now - max(times[$0], start)) / .seconds(1), place: places[$0]) }
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
    /// For how long, in seconds, while it was waited for.
    public let seconds: Double
    /// Where it was when it last said so.
    public let place: String

    /// Makes a value of its parts.
    public init(rank: Int, seconds: Double, place: String) {
        self.rank = rank
        self.seconds = seconds
        self.place = place
    }
}
