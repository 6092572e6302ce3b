import Files
import NetworkAttacks

extension RunConfiguration {
    /// Refuses attacks that need more classes than the data have, before anything is made.
    /// - Throws: ``RunError/unusable(_:)``.
    package func requireClasses(_ classes: Int) throws {
        let attacks =
            [trainingAttack].compactMap { $0?.networkAttack(for: .training) }
            + resolvedEvaluationAttacks.compactMap(\.evaluatedAttack).flatMap(\.stages)
        for attack in attacks where attack.fewestClasses > classes {
            throw RunError.unusable(
                "attack \(attack.id): needs at least \(attack.fewestClasses) classes, the data have \(classes); a targeted "
                    + "attack needs one more than its targets and at least 4, the difference of logits ratio 3")
        }
    }
}
