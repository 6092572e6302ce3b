import Datasets
import Files
import NetworkAttacks

extension RunConfiguration {
    /// Refuses attacks that are none for the data, before anything is made: too few classes for what they ask, or a radius
    /// in l2 that goes beyond all images, such as 128 for 128/255.
    /// - Throws: ``Files/RunError/unusable(_:)``.
    package func requireAttacks(on traits: DatasetTraits) throws {
        var attacks = [trainingAttack].compactMap { $0?.networkAttack(for: .training) }.map { ($0.id, $0) }
        for attack in resolvedEvaluationAttacks.compactMap(\.evaluatedAttack) {
            attacks += attack.stages.enumerated().map { (attack.name(ofStage: $0), $1) }
        }
        let longest = Double(traits.imageSize).squareRoot()
        for (name, attack) in attacks {
            guard attack.fewestClasses <= traits.classes else {
                throw RunError.unusable(
                    "attack \(name): needs at least \(attack.fewestClasses) classes, the data have \(traits.classes); a "
                        + "targeted attack needs one more than its targets and at least 4, the difference of logits ratio 3"
                )
            }
            let epsilon = attack.description.epsilon
            guard attack.description.norm != .l2 || epsilon <= longest else {
                throw RunError.unusable(
                    "attack \(name): an l2 radius of \(epsilon.written.flow) goes beyond all images, which are at "
                        + "most \(((longest * 10).rounded() / 10).written.flow) apart; did you mean "
                        + "\(epsilon.written.flow)/255?")
            }
        }
    }
}
