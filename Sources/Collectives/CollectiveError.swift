/// What went wrong in a collective call, and where.
public struct CollectiveError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The reason of a failure.
    public enum Cause: Equatable, Sendable {
        /// MPI returned an error code; the text is MPI's own.
        case refused(code: Int32, message: String)
        /// Ranks that had to take part have said nothing for the communicator's `timeoutSeconds`.
        case noAnswer(elapsedSeconds: Double, silent: [SilentRank])
        /// MPI waits for ranks in a call that can't be left; `standing` are those of this host, none where they are among the ranks
        /// `elsewhere`.
        case noReturn(elapsedSeconds: Double, standing: [StandingRank], elsewhere: [Int])
        /// The ranks called with different numbers of something that must be the same everywhere.
        case unequal(quantity: String, smallest: Int, largest: Int)
        /// The launcher promised another number of ranks than MPI found.
        case wrongWorld(launcher: String, expected: Int, found: Int)
        /// MPI was built or started without the support for threads that this process needs.
        case threadSupport(expected: Int32, found: Int32)
        /// MPI can be started once in the life of a process.
        case startedTwice
    }

    /// The call that failed, as MPI names it.
    public let call: String
    /// The rank that reports the failure.
    public let rank: Int
    /// The number of ranks.
    public let size: Int
    /// The host of the rank that reports the failure.
    public let host: String
    /// The number of elements that the call was about, nil where a call has none.
    public let count: Int?
    /// Where the rank that reports the failure was, as it noted itself; nil where it was nowhere yet.
    public let place: String?
    /// The reason.
    public let cause: Cause

    /// Makes an error of `call` on rank `rank` of `size`.
    public init(call: String, rank: Int, size: Int, host: String, count: Int?, place: String? = nil, cause: Cause) {
        self.call = call
        self.rank = rank
        self.size = size
        self.host = host
        self.count = count
        self.place = place
        self.cause = cause
    }

    /// Whether the machine or the launch is at fault rather than a peer: MPI never got as far as connecting the ranks.
    public var isEnvironmental: Bool {
        switch cause {
        case .refused, .noAnswer, .noReturn, .unequal: false
        case .wrongWorld, .threadSupport, .startedTwice: true
        }
    }

    /// One line that names call, rank, host, count and cause.
    public var description: String {
        let own = "\(call) on rank \(rank) of \(size) (host \(host))"
        let amount = count.map { ", \($0) element\($0 == 1 ? "" : "s")" } ?? ""
        let work = place.map { ", in \($0)" } ?? ""
        func tenths(_ seconds: Double) -> Double { (seconds * 10).rounded() / 10 }
        /// The first few of many, in words.
        func few<Item>(_ items: [Item], _ text: (Item) -> String) -> String {
            items.prefix(5).map(text).joined(separator: "; ")
                + (items.count > 5 ? "; and \(items.count - 5) ranks more" : "")
        }
        switch cause {
        case .refused(let code, let message):
            return "\(own)\(amount)\(work): \(message) (code \(code))"
        case .noAnswer(let elapsedSeconds, let silent):
            return "\(own)\(amount)\(work): expected every rank to take part, "
                + "waited \(tenths(elapsedSeconds)) s; "
                + few(silent) {
                    "rank \($0.rank) (host \($0.host)) is silent for \(tenths($0.seconds)) s, last in \($0.place)"
                }
        case .noReturn(let elapsedSeconds, let standing, let elsewhere):
            return "\(own): expected every rank to make this call, waited \(tenths(elapsedSeconds)) s; "
                + (standing.isEmpty
                    ? "those of this host have, so one on another host"
                        + (elsewhere.isEmpty ? "" : " (\(few(elsewhere) { "rank \($0)" }))")
                        + ", or the network between, stands still"
                    : few(standing) {
                        "rank \($0.rank) (process \($0.process) of this host) "
                            + ($0.isStopped ? "is stopped, by a signal or a debugger" : "has not made it")
                    })
        case .unequal(let quantity, let smallest, let largest):
            return "\(own)\(amount): expected the same \(quantity) on every rank, found \(smallest) to \(largest)"
        case .wrongWorld(let launcher, let expected, let found):
            return "\(own): \(launcher) started \(expected) ranks, but MPI connected \(found); "
                + "expected a launcher that belongs to \(MPICommunicator.libraryVersion)"
        case .threadSupport(let expected, let found):
            return "\(own): expected thread support of at least level \(expected) (funneled), found level \(found)"
        case .startedTwice:
            return "\(own): MPI was started before in this process; expected one start"
        }
    }
}
