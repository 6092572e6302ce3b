/// What ends a run, beyond the errors of files and peers.
package enum RunError: ErrorWithStatus, CustomStringConvertible {
    /// A loss or a gradient is not finite.
    case numerical(String)
    /// Ranks that should hold the same weights do not.
    case replicasDiffer(String)
    /// The configuration asks for what cannot be had.
    case unusable(String)
    /// A checkpoint does not fit.
    case checkpoint(String)
    /// The program does not run on this processor.
    case wrongProcessor(String)

    /// The sentence for a person.
    package var description: String {
        switch self {
        case .numerical(let text), .replicasDiffer(let text), .unusable(let text), .checkpoint(let text),
            .wrongProcessor(let text):
            text
        }
    }

    package var exitStatus: ExitStatus {
        switch self {
        case .numerical: .numerical
        case .replicasDiffer: .peer
        case .unusable: .usage
        case .checkpoint: .checkpoint
        case .wrongProcessor: .environment
        }
    }
}
