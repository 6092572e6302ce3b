import Attacks

extension RunConfiguration.Attack {
    /// The attack, or nil if the name is `none`.
    package func makeAttack() -> (any Attack)? {
        let ball = PerturbationBall(norm == .linf ? .linf : .l2, epsilon: Float(epsilon))
        let start: ProjectedGradientDescent.Start =
            switch resolvedStart {
            case .automatic, .uniform: .uniform
            case .uniformUnclamped: .uniformUnclamped
            case .gaussian: .gaussian
            case .none: .none
            }
        switch name {
        case .none: return nil
        case .fgsm: return ProjectedGradientDescent.fastGradientSign(ball, start: start, restarts: restarts)
        case .pgd:
            return ProjectedGradientDescent(
                ball: ball, stepSize: Float(stepSize), steps: steps, restarts: restarts, start: start,
                keep: keep == .best ? .best : .last)
        case .apgdCE: return AutoProjectedGradientDescent(ball: ball, steps: steps, restarts: restarts, start: start)
        case .gaussianNoise: return GaussianNoise(deviation: Float(epsilon))
        }
    }
}
