import Foundation
import Tensors

/// What can be wrong with how a layer uses its experts.
public enum RoutingAlarm: String, Sendable {
    /// Images crowd onto half of the experts' worth, or nearly onto as few as there are choices.
    case collapsed
    /// Some expert gets no image at all.
    case deadExpert = "dead-expert"

    /// Looks at the (image, expert) pairs of each expert over a whole split or window.
    ///
    /// Collapse is measured by the perplexity of use, exp of its entropy: the number of experts that, used equally, would
    /// have the same entropy. It lies between `choices`, the experts of an image, and the number of experts; up to half
    /// of that number, or up to 1.25 times `choices`, is a collapse.
    public init?(chosen: [Double], choices: Double) {
        let total = chosen.reduce(0, +)
        let experts = Double(chosen.count)
        guard total > 0, choices < experts else { return nil }
        let entropy = entropyOf(chosen.lazy.map { $0 / total })
        if exp(entropy) <= max(experts / 2, 1.25 * choices) + 1e-9 {
            self = .collapsed
        } else if chosen.contains(0) {
            self = .deadExpert
        } else {
            return nil
        }
    }
}
