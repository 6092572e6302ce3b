/// The exit codes of the command, as `mpirun` reports them.
package enum ExitStatus: Int32, Sendable {
    case done = 0
    case usage = 2
    case data = 3
    case checkpoint = 4
    case numerical = 5
    case peer = 6
    case environment = 7
    case stoppedEarly = 75

    /// The status that an error ends a job with: its own, or `environment` where it is none of this program's.
    package init(_ error: any Error) {
        self = (error as? any ErrorWithStatus)?.exitStatus ?? .environment
    }
}

/// An error that says what it ends a job with.
package protocol ErrorWithStatus: Error {
    /// The status of the job.
    var exitStatus: ExitStatus { get }
}
