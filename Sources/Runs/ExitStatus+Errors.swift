import Collectives
import Configuration
import Datasets
import Files
import Networks

extension ExitStatus {
    /// The status that an error ends the job with.
    package init(_ error: any Error) {
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
