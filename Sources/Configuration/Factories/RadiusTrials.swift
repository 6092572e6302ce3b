import Attacks
import Evaluation

extension RunConfiguration {
    /// What `evaluation.checks` asks for: every attack that follows gradients step by step, without room, with several times
    /// its radius, and without a radius.
    /// - Parameter elements: Channels of all pixels of an image.
    package func radiusTrials(elements: Int) -> [RadiusTrial] {
        resolvedEvaluationAttacks.flatMap { attack in
            RadiusTrial.Kind.allCases.compactMap { kind in
                attack.tried(kind, elements: elements).flatMap { other in
                    other.networkAttack.map { RadiusTrial(inputs: attack.resolvedId, kind: kind, attack: $0) }
                }
            }
        }
    }
}

extension RunConfiguration.Attack {
    /// How many times the radius a large one is.
    private static let largeFactor = 8.0
    /// Steps of an attack without a radius.
    private static let unconstrainedSteps = 100...200

    /// The attack with another radius; nil where it is none that should find something at any.
    /// - Parameter elements: Channels of all pixels of an image.
    fileprivate func tried(_ kind: RadiusTrial.Kind, elements: Int) -> Self? {
        var other = self
        // AutoAttack begins with it.
        if name == .autoattack { other.name = .apgdCE }
        guard other.isTriedAtRadii, epsilon > 0 else { return nil }
        let largest = norm == .linf ? 1 : Double(elements).squareRoot()
        switch kind {
        case .zero: other.epsilon = 0
        case .large:
            other.epsilon = min(epsilon * Self.largeFactor, largest)
            other.stepSize *= other.epsilon / epsilon
        case .unconstrained:
            other.epsilon = largest
            other.start = .given(.none)
            // Its own steps, as many as lead through all of [0, 1].
            let needed = hasStepSize && stepSize > 0 ? Int((1 / stepSize).rounded(.up)) : 0
            other.steps = max(
                steps, min(max(needed, Self.unconstrainedSteps.lowerBound), Self.unconstrainedSteps.upperBound))
        }
        return other
    }
}
