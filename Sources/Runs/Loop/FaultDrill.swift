import Files
import Foundation
import Networks
import Tensors

/// A failure that is asked for, so that a cluster's reaction can be rehearsed: `ROBUSTMOE_DRILL=kind:rank:step`, and of `nan` and
/// `flip` the parameter too, as in `nan:1:20:layer4.0.conv1.router.weight`.
///
/// Kinds: `throw` (an exception), `kill` (SIGKILL), `nan` (a weight becomes NaN), `flip` (one bit of a weight flips), `pixel` (one
/// of the step's images gets a NaN). The fault happens on that rank before the global step of that number; a run that comes to
/// that step again meets `pixel` again, as it would a damaged image, and the others no more.
struct FaultDrill {
    enum Kind: String {
        case `throw`, kill, nan, flip, pixel

        /// Whether the fault is of the memory, not of the images.
        var happensOnce: Bool { self != .pixel }
        fileprivate var takesName: Bool { self == .nan || self == .flip }
    }
    let kind: Kind
    let rank: Int
    let step: Int
    /// The parameter whose first value is changed; nil means the first parameter.
    let name: String?

    init?(_ text: String?) {
        guard let parts = text?.split(separator: ":"), let kind = parts.first.flatMap({ Kind(rawValue: String($0)) }),
            parts.count == 3 || parts.count == 4 && kind.takesName, let rank = Int(parts[1]), let step = Int(parts[2])
        else { return nil }
        self.kind = kind
        self.rank = rank
        self.step = step
        name = parts.count == 4 ? String(parts[3]) : nil
    }

    /// Lets the fault happen, if its time has come.
    /// - Parameter images: This rank's images of the step.
    func happen(rank: Int, step: Int, _ parameters: Parameters, images: [Tensor] = []) throws {
        guard rank == self.rank, step == self.step else { return }
        switch kind {
        case .throw: throw RunError.numerical("fault drill: an exception before step \(step) on rank \(rank)")
        case .kill: kill(getpid(), SIGKILL)
        case .nan: try change(parameters) { _ in .nan }
        case .flip:
            // A high bit of the mantissa: the lowest one may be lost again when later steps round.
            try change(parameters) { Float(bitPattern: $0.bitPattern ^ 1 << 20) }
        case .pixel: images.first { $0.count > 0 }?.pointer[0] = .nan
        }
    }

    private func change(_ parameters: Parameters, _ change: (Float) -> Float) throws {
        guard let slot = parameters.slots.first(where: { !$0.isStatistic && (name == nil || $0.name == name) }) else {
            throw RunError.unusable("fault drill: expected a parameter of the network, found \(name ?? "none")")
        }
        parameters.update {
            let values = $0.values(of: slot)
            values[0] = change(values[0])
        }
    }
}
