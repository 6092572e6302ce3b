import CMPI
import Foundation

/// The communicator of a process that an MPI launcher started.
///
/// Every collective is issued in its non-blocking form and polled, because that is what makes a time limit possible.
/// Counts that MPI's 32-bit arguments can't hold are split.
public final class MPICommunicator: Communicator {
    /// This process's place in the job, `0..<size`.
    public let rank: Int
    /// The number of ranks of the job.
    public let size: Int
    /// The name of the host that this rank runs on.
    public let hostName: String
    /// This rank's place among the ranks of its host, `0..<localSize`.
    public let localRank: Int
    /// The number of ranks that share this rank's host.
    public let localSize: Int
    /// How long a rank that is waited for may be silent, in seconds; nil means for ever.
    public var timeoutSeconds: Double?

    /// Carries the calls that are waited for at once.
    let immediate: MPI_Comm
    /// Carries the reductions that are started early, so that their order is their own.
    let overlapped: MPI_Comm
    /// Carries the second halves of exchanges that are started early: when they begin depends on the rank.
    let gathered: MPI_Comm
    /// Carries what single ranks post to each other.
    let messages: MPI_Comm
    /// Messages that may not have left yet.
    var outgoing: [OutgoingMessage] = []
    /// Carries what ranks say of themselves.
    private let liveness: Liveness
    /// How long vectors are added up.
    let reductionAlgorithm: ReductionAlgorithm
    /// The most elements that one call of MPI may be asked to move.
    var largestCount = Int(Int32.max)
    /// The most elements of memory that the fixed-order sum takes for each direction.
    var largestScratch = 1 << 22
    /// Memory of the fixed-order sum, kept from call to call.
    var scratch: [Float] = []
    private var sleepsWhileWaiting = false
    private var failure: CollectiveError?

    /// Name and version of the MPI library, such as `Open MPI v4.1.4`; needs no communicator.
    public static var libraryVersion: String {
        var text = [CChar](repeating: 0, count: Int(MPI_MAX_LIBRARY_VERSION_STRING))
        var length: Int32 = 0
        guard MPI_Get_library_version(&text, &length) == MPI_SUCCESS else { return "unknown" }
        return String(string(text, length).prefix { $0 != "," && !$0.isNewline })
    }

    /// Starts MPI and returns the communicator of all ranks of the job.
    ///
    /// For programs whose life is one scope ``withCommunicator(_:timeoutSeconds:giveUp:_:)`` is simpler.
    /// - Parameters:
    ///   - timeoutSeconds: How long the start may take, and later a rank that is waited for be silent; nil means for ever.
    ///   - giveUp: Called, on a thread of its own, when MPI does not start in time; it says so and ends the process.
    /// - Throws: a ``CollectiveError`` when MPI was started before, lacks thread support, or connects another number of
    ///   ranks than the launcher says that it started.
    public static func start(
        _ launch: LaunchEnvironment = .current, timeoutSeconds: Double? = 300,
        giveUp: @escaping @Sendable (CollectiveError) -> Never = MPICommunicator.giveUp
    ) throws(CollectiveError) -> MPICommunicator {
        let hostName = currentHostName()
        var started: Int32 = 0
        MPI_Initialized(&started)
        func error(_ cause: CollectiveError.Cause) -> CollectiveError {
            CollectiveError(
                call: "MPI_Init_thread", rank: launch.rank, size: launch.size ?? 1, host: hostName, count: nil,
                cause: cause)
        }
        if started != 0 { throw error(.startedTwice) }
        // Open MPI moves data over TCP only while it is called, unless it may have a thread for its sockets: exchanges
        // that go on beside a backward pass need one. What the user has set stays.
        setenv("OMPI_MCA_btl_tcp_progress_thread", "1", 0)
        var level: Int32 = 0
        let limit = CallLimit(launch: launch, seconds: timeoutSeconds, end: giveUp)
        let code = limit.bound("MPI_Init_thread") { MPI_Init_thread(nil, nil, CMPI_threadFunneled(), &level) }
        if code != MPI_SUCCESS { throw error(.refused(code: code, message: message(of: code))) }
        if level < CMPI_threadFunneled() {
            finish()
            throw error(.threadSupport(expected: CMPI_threadFunneled(), found: level))
        }
        var found: Int32 = 0
        MPI_Comm_size(CMPI_commWorld(), &found)
        if let expected = launch.size, expected != Int(found) {
            finish()
            throw error(.wrongWorld(launcher: launch.launcher.rawValue, expected: expected, found: Int(found)))
        }
        return try MPICommunicator(hostName: hostName, limit)
    }

    /// Says what went wrong on stderr and ends the process.
    public static let giveUp: @Sendable (CollectiveError) -> Never = { error in
        try? FileHandle.standardError.write(contentsOf: Data("error: \(error)\n".utf8))
        _exit(EXIT_FAILURE)
    }

    /// Ends MPI if it was started and not ended yet; no communicator may be used afterwards.
    ///
    /// Suits `atexit`. All ranks must have completed their calls: MPI waits for them here.
    public static func finish() {
        var started: Int32 = 0
        var finished: Int32 = 0
        MPI_Initialized(&started)
        MPI_Finalized(&finished)
        if started != 0, finished == 0 { MPI_Finalize() }
    }

    /// Makes a communicator of all ranks of the job, beside others that there may be; every rank must make it.
    /// - Parameter limit: How long that may take.
    init(
        hostName: String,
        _ limit: CallLimit = CallLimit(launch: .current, seconds: 300, end: MPICommunicator.giveUp)
    ) throws(CollectiveError) {
        let world: MPI_Comm = CMPI_commWorld()
        var rank: Int32 = 0
        var size: Int32 = 0
        MPI_Comm_rank(world, &rank)
        MPI_Comm_size(world, &size)
        func check(_ code: Int32, _ call: String) throws(CollectiveError) {
            if code == MPI_SUCCESS { return }
            throw CollectiveError(
                call: call, rank: Int(rank), size: Int(size), host: hostName, count: nil,
                cause: .refused(code: code, message: MPICommunicator.message(of: code)))
        }
        // Communicators made from this one inherit the error handler.
        try check(MPI_Comm_set_errhandler(world, CMPI_errorsReturn()), "MPI_Comm_set_errhandler")
        func made(
            _ call: String, _ make: (inout MPIComm) -> Int32
        ) throws(CollectiveError) -> MPI_Comm {
            var communicator: MPIComm = CMPI_commNull()
            try check(limit.bound(call) { make(&communicator) }, call)
            return present(communicator, after: call)
        }
        timeoutSeconds = limit.seconds
        immediate = try made("MPI_Comm_dup") { MPI_Comm_dup(world, &$0) }
        overlapped = try made("MPI_Comm_dup") { MPI_Comm_dup(world, &$0) }
        gathered = try made("MPI_Comm_dup") { MPI_Comm_dup(world, &$0) }
        messages = try made("MPI_Comm_dup") { MPI_Comm_dup(world, &$0) }
        liveness = Liveness(
            try made("MPI_Comm_dup") { MPI_Comm_dup(world, &$0) }, rank: Int(rank), size: Int(size))
        var host: MPIComm = try made("MPI_Comm_split_type") {
            MPI_Comm_split_type(world, CMPI_sharedMemory(), rank, CMPI_infoNull(), &$0)
        }
        var localRank: Int32 = 0
        var localSize: Int32 = 0
        try check(MPI_Comm_rank(host, &localRank), "MPI_Comm_rank")
        try check(MPI_Comm_size(host, &localSize), "MPI_Comm_size")
        try check(MPI_Comm_free(&host), "MPI_Comm_free")
        self.rank = Int(rank)
        self.size = Int(size)
        reductionAlgorithm = ReductionAlgorithm(size: Int(size))
        self.hostName = hostName
        self.localRank = Int(localRank)
        self.localSize = Int(localSize)
        let hosts = try NodeTopology.gather(self).hosts
        for host in hosts {
            for rank in host.ranks { liveness.hosts[rank] = host.name }
        }
        sleepsWhileWaiting = hosts.contains { host in
            host.ranks.contains(self.rank) && host.ranks.count > host.cores.count
        }
    }

    /// Ends all ranks of the job with `exitCode` within seconds; `mpirun` reports that status.
    public func abort(exitCode: Int32) -> Never {
        fflush(nil)
        MPI_Abort(CMPI_commWorld(), exitCode)
        exit(exitCode)
    }

    /// Issues one non-blocking call and returns its request.
    ///
    /// Every operation of MPI on a running job passes here, and its code passes ``check(_:_:_:)``.
    func issue(
        _ call: String, count: Int?, _ start: (inout MPIRequest) -> Int32
    ) throws(CollectiveError) -> MPIRequest {
        if let failure { throw failure }
        var request: MPIRequest = CMPI_requestNull()
        try check(start(&request), call, count)
        return request
    }

    /// Issues one non-blocking call and returns when it has completed.
    func complete(
        _ call: String, count: Int?, _ start: (inout MPIRequest) -> Int32
    ) throws(CollectiveError) {
        try MPIOperation(self, call, count: count, [issue(call, count: count, start)]).wait()
    }

    /// Says that this rank is at work, and where.
    public func note(_ place: @autoclosure () -> String) {
        if size > 1 { liveness.enter(place(), saysAgainAfter: interval) }
    }

    /// Says that this rank is at work at the place that it noted last, and at which part of it.
    public func note(part: @autoclosure () -> String) {
        if size > 1 { liveness.enter(part: part(), saysAgainAfter: interval) }
    }

    /// Takes what ranks have said and nobody has heard yet, so that MPI can end; collective.
    func endNotes() throws(CollectiveError) {
        if size == 1 { return }
        try liveness.end { (counts) throws(CollectiveError) in try allGatherCounted(counts) }
    }

    /// After how long a rank says again that it is there: often within the time after which it would be given up.
    private var interval: Duration { .seconds(min(1, (timeoutSeconds ?? 5) / 5)) }

    /// Polls until `isDone`, or throws when ranks that are waited for have been silent for longer than the limit.
    func poll(
        _ call: String, count: Int?, until isDone: () throws(CollectiveError) -> Bool
    ) throws(CollectiveError) {
        let start = ContinuousClock.now
        var polls = 0
        while try !isDone() {
            polls += 1
            // The first rounds only spin: that is how long neighbours take. Then others may have the core.
            if polls < 64 { continue }
            sched_yield()
            if sleepsWhileWaiting && polls > 4096 { usleep(50) }
            guard polls % 64 == 0, size > 1 else { continue }
            liveness.wait(in: call, saysAgainAfter: interval)
            guard let timeoutSeconds, ContinuousClock.now - start > .seconds(timeoutSeconds) else { continue }
            liveness.receive()
            let silent = liveness.silent(since: start, longerThan: .seconds(timeoutSeconds))
            guard !silent.isEmpty else { continue }
            let elapsed = (ContinuousClock.now - start) / .seconds(1)
            throw failed(call, count, .noAnswer(elapsedSeconds: elapsed, silent: silent))
        }
    }

    /// Lets MPI work and returns whether `request` has completed.
    func isComplete(_ request: inout MPIRequest, _ call: String, _ count: Int?) throws(CollectiveError) -> Bool {
        if let failure { throw failure }
        var done: Int32 = 0
        try check(CMPI_test(&request, &done), call, count)
        return done != 0
    }

    /// Turns a code of MPI into an error that says where it happened.
    func check(_ code: Int32, _ call: String, _ count: Int?) throws(CollectiveError) {
        if code == MPI_SUCCESS { return }
        throw failed(call, count, .refused(code: code, message: MPICommunicator.message(of: code)))
    }

    private func failed(_ call: String, _ count: Int?, _ cause: CollectiveError.Cause) -> CollectiveError {
        let error = CollectiveError(
            call: call, rank: rank, size: size, host: hostName, count: count, place: liveness.place, cause: cause)
        failure = error
        return error
    }

    private static func message(of code: Int32) -> String {
        var text = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING))
        var length: Int32 = 0
        guard MPI_Error_string(code, &text, &length) == MPI_SUCCESS else { return "unknown error" }
        return string(text, length)
    }

    private static func string(_ text: [CChar], _ length: Int32) -> String {
        String(decoding: text.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

@available(*, unavailable)
extension MPICommunicator: Sendable {}

/// One operation of a communicator under way: one request of MPI, or several when it had to be split.
final class MPIOperation: PendingReduction {
    private let communicator: MPICommunicator
    private let call: String
    private let count: Int?
    private var requests: [MPIRequest]
    private var completed = 0
    /// What MPI reads until the operation has completed.
    private let arguments: MPIArguments?

    init(
        _ communicator: MPICommunicator, _ call: String, count: Int?, _ requests: [MPIRequest],
        keeping arguments: MPIArguments? = nil
    ) {
        self.arguments = arguments
        self.communicator = communicator
        self.call = call
        self.count = count
        self.requests = requests
    }

    func test() throws(CollectiveError) -> Bool {
        while completed < requests.count {
            guard try communicator.isComplete(&requests[completed], call, count) else { return false }
            completed += 1
        }
        return true
    }

    func wait() throws(CollectiveError) {
        try communicator.poll(call, count: count) { () throws(CollectiveError) in try test() }
    }
}

/// Counts and places that stay where they are while a call that was given them is under way.
final class MPIArguments {
    let list: UnsafeMutablePointer<Int32>

    init(_ lists: [Int]...) {
        let values = lists.joined()
        list = .allocate(capacity: max(1, values.count))
        for (index, value) in values.enumerated() { (list + index).initialize(to: Int32(value)) }
    }

    deinit { list.deallocate() }
}
