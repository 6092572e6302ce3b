import Attacks
import Foundation

/// What the settings of an attack tell without its result.
package enum SettingChecks {
    /// Radii of l2 below it are usual in l-infinity alone.
    static let leastL2Radius = 0.1
    /// Radii that differ by a smaller share of themselves are the same, spelled otherwise.
    static let sameRadius = 1e-6

    /// The flags of one attack.
    /// - Parameter training: The norm and the radius that the network was trained against; nil where it was not, or nobody
    ///   knows.
    package static func flags(
        _ attack: AttackRecord, training: (norm: PerturbationBall.Norm, epsilon: Double)? = nil
    ) -> [RedFlag] {
        guard let norm = attack.norm else { return [] }
        var flags: [RedFlag] = []
        func text(_ value: Double) -> String {
            let levels = (value * 255).rounded()
            return (1..<255).contains(levels) && abs(value * 255 - levels) <= 1e-6
                ? "\(Int(levels))/255" : String(format: "%.4g", value)
        }
        if attack.epsilon > 0, let step = attack.stepSize {
            if step > attack.epsilon * (1 + sameRadius) {
                flags.append(
                    RedFlag(
                        .stepAboveRadius, attack.name,
                        "a step of \(text(step)) is longer than the radius of \(text(attack.epsilon))"))
            }
            let path = step * Double(attack.steps ?? 0)
            if path < attack.epsilon * (1 - sameRadius) {
                flags.append(
                    RedFlag(
                        .pathBelowRadius, attack.name,
                        "\(attack.steps ?? 0) steps of \(text(step)) come to \(text(path)), short of the radius of "
                            + text(attack.epsilon)))
            }
        }
        if norm == .l2, attack.epsilon > 0, attack.epsilon < leastL2Radius {
            flags.append(
                RedFlag(.smallL2Radius, attack.name, "an l2 radius of \(text(attack.epsilon)) is next to nothing"))
        }
        guard let training, attack.epsilon > 0 else { return flags }
        if norm != training.norm {
            flags.append(
                RedFlag(
                    .otherNorm, attack.name, "judged in \(norm.rawValue), trained against \(training.norm.rawValue)"))
        } else if abs(attack.epsilon - training.epsilon) > sameRadius * training.epsilon {
            flags.append(
                RedFlag(
                    .otherRadius, attack.name,
                    "judged at a radius of \(text(attack.epsilon)), trained against \(text(training.epsilon))"))
        }
        return flags
    }
}
