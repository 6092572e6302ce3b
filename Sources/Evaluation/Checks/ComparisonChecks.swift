import Foundation

/// What the results of several attacks on the same images tell beside each other.
package enum ComparisonChecks {
    /// Smaller differences, as a share of all images, are left to chance, as in AutoAttack's own check of Square.
    static let leastShare = 0.002

    /// Whether so many images are more than chance: above ``leastShare``, and more than one.
    static func counts(_ images: Int, of samples: Int) -> Bool {
        images > 1 && Double(images) > leastShare * Double(samples)
    }

    /// The flags of attacks on the same images, in their order.
    package static func flags(_ attacks: [AttackRecord]) -> [RedFlag] {
        attacks.flatMap { attack in
            weaker(attack, than: attacks) + improvements(attack, on: attacks)
        }
    }

    /// Whether an attack leaves more right than one that does less of the same.
    private static func weaker(_ attack: AttackRecord, than others: [AttackRecord]) -> [RedFlag] {
        guard let family = attack.family else { return [] }
        var flags: [RedFlag] = []
        for other in others where other.family == family && other.norm == attack.norm {
            let more: [(RedFlag.Kind, Double, Double)] = [
                (.moreStepsWeaker, Double(attack.steps ?? 0), Double(other.steps ?? 0)),
                (.moreRestartsWeaker, Double(attack.restarts ?? 0), Double(other.restarts ?? 0)),
                (.largerRadiusWeaker, attack.epsilon, other.epsilon),
            ].filter { $0.1 != $0.2 }
            guard let only = more.first, more.count == 1, only.1 > only.2,
                counts(attack.right - other.right, of: attack.isRight.count),
                !flags.contains(where: { $0.kind == only.0 })
            else { continue }
            flags.append(
                RedFlag(
                    only.0, attack.name,
                    "leaves \(attack.right) of \(attack.isRight.count) images right, \(other.name) \(other.right)"))
        }
        return flags
    }

    /// Whether an attack that sees no gradient fools what all attacks by gradients, in the same ball, leave right.
    private static func improvements(_ attack: AttackRecord, on others: [AttackRecord]) -> [RedFlag] {
        let kind: RedFlag.Kind
        switch attack.access {
        case .gradients: return []
        case .outputs: kind = .squareImproves
        case .elsewhere: kind = .transferImproves
        case .none: kind = .noiseImproves
        }
        // Noise has no ball, and reaches further than one of its deviation.
        let white = others.filter {
            $0.access == .gradients && (attack.norm == nil || $0.norm == attack.norm)
                && $0.epsilon >= attack.epsilon * (1 - SettingChecks.sameRadius)
        }
        guard !white.isEmpty else { return [] }
        let fooled = attack.isRight.indices.count { image in
            !attack.isRight[image] && white.allSatisfy { $0.isRight[image] }
        }
        guard counts(fooled, of: attack.isRight.count) else { return [] }
        return [
            RedFlag(kind, attack.name, count: fooled, "fools \(fooled) images that attacks by gradients leave right")
        ]
    }
}
