import Attacks

/// What the way of an attack tells, image by image (indicators of attack failure; Pintor et al., arXiv:2106.09947).
package enum PathChecks {
    /// The last steps, in which a loss should stand still.
    static let lastSteps = 10
    /// How much of all that a loss rose it may still rise in them.
    static let leastRise = 0.05
    /// The share of an attack's right images whose loss may still rise.
    static let risingShare = 0.1

    /// What stands in `per_sample.csv` of one image.
    /// - Parameters:
    ///   - isRight: Whether the network that is judged is right at the end.
    ///   - meetsAnother: Whether the attack saw another network than the one that is judged, or other routes.
    ///   - climbs: Whether it climbs one objective, step by step, within its ball: others may be wrong farther off on their way.
    package static func kinds(
        _ path: AttackWatch.Path, isRight: Bool, meetsAnother: Bool, climbs: Bool
    ) -> [RedFlag.Kind] {
        var kinds: [RedFlag.Kind] = path.startsFlat ? [.zeroGradients] : []
        guard isRight, climbs else { return kinds }
        if path.wasFooled { kinds.append(meetsAnother ? .transferFailure : .silentSuccess) }
        if stillRises(path.losses) { kinds.append(.incompleteOptimization) }
        return kinds
    }

    /// Whether the highest loss so far, as a share of all that it rose, rises by more than `leastRise` within the
    /// `lastSteps` at the end.
    package static func stillRises(_ losses: [Double]) -> Bool {
        guard losses.count > lastSteps, let first = losses.min(), let highest = losses.max(), highest > first else {
            return false
        }
        let before = losses.dropLast(lastSteps - 1).max() ?? first
        return highest - before > leastRise * (highest - first)
    }

    /// The flags of an attack's images put together; incomplete optimization is one where it concerns more than
    /// `risingShare` of the images that stay right.
    /// - Parameters:
    ///   - kinds: For each image, what its path told.
    ///   - right: Images that stay right.
    package static func flags(_ kinds: [[RedFlag.Kind]], right: Int, inputs: String) -> [RedFlag] {
        let all: [(RedFlag.Kind, String)] = [
            (.zeroGradients, "have no slope where the attack begins"),
            (.silentSuccess, "were wrong on the way and right at the end"),
            (.incompleteOptimization, "are right while their loss still rises"),
            (.transferFailure, "fool what was attacked and not the network that is judged"),
        ]
        return all.compactMap { kind, words in
            let images = kinds.count { $0.contains(kind) }
            let allowed = kind == .incompleteOptimization ? risingShare * Double(right) : 0
            guard Double(images) > allowed else { return nil }
            return RedFlag(kind, inputs, count: images, "\(images) of \(kinds.count) images \(words)")
        }
    }
}
