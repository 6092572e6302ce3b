import Collectives
import Datasets
import Networks

/// What ends a run, beyond the errors of files and peers.
public enum RunError: Error, CustomStringConvertible {
    /// A loss or a gradient is not finite.
    case numerical(String)
    /// Ranks that should hold the same weights do not.
    case replicasDiffer(String)
    /// The configuration asks for what cannot be had.
    case unusable(String)
    /// A checkpoint does not fit.
    case checkpoint(String)

    /// The sentence for a person.
    public var description: String {
        switch self {
        case .numerical(let text), .replicasDiffer(let text), .unusable(let text), .checkpoint(let text): text
        }
    }
}

/// The exit codes of the command, as `mpirun` reports them.
public enum ExitStatus: Int32, Sendable {
    case done = 0
    case usage = 2
    case data = 3
    case checkpoint = 4
    case numerical = 5
    case peer = 6
    case environment = 7
    case stoppedEarly = 75

    /// The status that an error ends the job with.
    public init(_ error: any Error) {
        switch error {
        case is ConfigurationError: self = .usage
        case RunDirectoryError.occupied, RunDirectoryError.notDirectory: self = .usage
        case is DatasetError: self = .data
        case is CheckpointError: self = .checkpoint
        case let error as CollectiveError: self = error.isEnvironmental ? .environment : .peer
        case NetworkError.invalid: self = .usage
        case NetworkError.notFinite: self = .numerical
        case let error as RunError:
            switch error {
            case .numerical: self = .numerical
            case .replicasDiffer: self = .peer
            case .unusable: self = .usage
            case .checkpoint: self = .checkpoint
            }
        default: self = .environment
        }
    }
}
