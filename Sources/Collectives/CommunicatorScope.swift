/// Calls `body` with the communicator of this process, and ends MPI when it returns.
///
/// MPI is started when an MPI launcher started this process; a plain process gets a ``SoloCommunicator`` and needs no
/// MPI runtime. Call it once in the life of a process.
///
/// When `body` throws, MPI is left as it is, because the other ranks may be waiting in a collective for ever, and the
/// error is thrown on. The process must then end with a status other than 0, upon which the launcher ends the others;
/// better, `body` catches its own errors and calls ``Communicator/abort(exitCode:)``, which takes the job down at once
/// with that status.
/// - Parameters:
///   - timeoutSeconds: How long a rank that a collective waits for may be silent, and how long MPI may take to start and to
///     end; nil means for ever.
///   - giveUp: Called, on a thread of its own, when MPI does not start or end in time; it says so and ends the process.
/// - Throws: a ``CollectiveError`` when MPI cannot be started or ended, and what `body` throws.
public func withCommunicator<Result>(
    _ launch: LaunchEnvironment = .current, timeoutSeconds: Double? = 300,
    giveUp: @escaping @Sendable (CollectiveError) -> Never = MPICommunicator.giveUp,
    _ body: (any Communicator) throws -> Result
) throws -> Result {
    guard launch.isLaunched else { return try body(SoloCommunicator()) }
    let communicator = try MPICommunicator.start(
        launch, timeoutSeconds: timeoutSeconds, giveUp: giveUp)
    let result = try body(communicator)
    try communicator.endNotes()
    CallLimit(launch: launch, seconds: timeoutSeconds, end: giveUp).bound("MPI_Finalize") { MPICommunicator.finish() }
    return result
}
