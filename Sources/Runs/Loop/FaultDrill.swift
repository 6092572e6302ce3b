import Files
import Foundation
import Networks

/// A failure that is asked for, so that a cluster's reaction can be rehearsed: `ROBUSTMOE_DRILL=kind:rank:step`.
///
/// Kinds: `throw` (an exception), `kill` (SIGKILL), `nan` (a weight becomes NaN), `flip` (one bit of a weight flips).
/// The fault happens on that rank before the global step of that number.
struct FaultDrill {
    enum Kind: String {
        case `throw`, kill, nan, flip
    }
    let kind: Kind
    let rank: Int
    let step: Int

    init?(_ text: String?) {
        guard let parts = text?.split(separator: ":"), parts.count == 3, let kind = Kind(rawValue: String(parts[0])),
            let rank = Int(parts[1]), let step = Int(parts[2])
        else { return nil }
        self.kind = kind
        self.rank = rank
        self.step = step
    }

    func happen(rank: Int, step: Int, _ parameters: Parameters) throws {
        guard rank == self.rank, step == self.step else { return }
        switch kind {
        case .throw: throw RunError.numerical("fault drill: an exception before step \(step) on rank \(rank)")
        case .kill: kill(getpid(), SIGKILL)
        case .nan:
            parameters.update { $0.values[0] = .nan }
        case .flip:
            // A high bit of the mantissa: the lowest one may be lost again when later steps round.
            parameters.update { $0.values[0] = Float(bitPattern: $0.values[0].bitPattern ^ 1 << 20) }
        }
    }
}
