import Attacks
import NetworkAttacks

extension RunConfiguration.Attack {
    /// The attack, or nil if the name is `none`.
    package var networkAttack: NetworkAttack? {
        guard let search else { return nil }
        let hasSteps = resolvedSteps != nil
        return NetworkAttack(
            id: resolvedId, search: search, norm: norm, objective: resolvedObjective, beta: beta, batchNorm: batchNorm,
            routing: routing,
            description: NetworkAttack.Description(
                norm: hasSteps ? norm : nil, epsilon: epsilon, stepSize: hasStepSize ? stepSize : nil,
                steps: resolvedSteps, restarts: hasSteps ? restarts : nil,
                isRandom: !hasSteps || resolvedStart != .none))
    }

    private var search: (any Attacks.Attack)? {
        let ball = PerturbationBall(norm, epsilon: Float(epsilon))
        switch name {
        case .none: return nil
        case .fgsm:
            return ProjectedGradientDescent.fastGradientSign(ball, start: resolvedStart, restarts: restarts)
        case .pgd:
            return ProjectedGradientDescent(
                ball: ball, stepSize: Float(stepSize), steps: steps, restarts: restarts, start: resolvedStart,
                keep: keep)
        case .apgdCE:
            return AutoProjectedGradientDescent(ball: ball, steps: steps, restarts: restarts, start: resolvedStart)
        case .gaussianNoise: return GaussianNoise(deviation: Float(epsilon))
        }
    }
}
