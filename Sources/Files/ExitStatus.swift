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
}
