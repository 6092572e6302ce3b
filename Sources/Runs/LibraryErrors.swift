import Attacks
import Collectives
import Files
import Networks

// The libraries know nothing of jobs, so what their errors end one with stands here.

extension NetworkError: ErrorWithStatus {
    package var exitStatus: ExitStatus {
        switch self {
        case .invalid: .usage
        case .notFinite: .numerical
        }
    }
}

extension AttackError: ErrorWithStatus {
    package var exitStatus: ExitStatus { .numerical }
}

extension CollectiveError: ErrorWithStatus {
    package var exitStatus: ExitStatus { isEnvironmental ? .environment : .peer }
}
