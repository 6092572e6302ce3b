import Attacks
import NetworkAttacks

extension RunConfiguration.Attack {
    /// The attack as an evaluation makes it, or nil if the name is `none` or that of several attacks, see ``autoAttackStages``.
    package var networkAttack: NetworkAttack? { networkAttack(for: .evaluation) }

    /// The attack, or nil if the name is `none` or that of several attacks.
    ///
    /// Searches that ask for images which fool the network in evaluations ask for those of the highest loss in training.
    package func networkAttack(for use: RunConfiguration.Use) -> NetworkAttack? {
        guard let search = search(for: use) else { return nil }
        return NetworkAttack(
            id: resolvedId, search: search, norm: norm, objective: resolvedObjective, beta: beta, batchNorm: batchNorm,
            routing: routing, surrogate: surrogate, expectation: routing == .noisy ? eot : 1, source: source,
            description: NetworkAttack.Description(
                norm: asksNetwork ? norm : nil, epsilon: epsilon, stepSize: hasStepSize ? stepSize : nil,
                steps: resolvedSteps, restarts: resolvedRestarts, isRandom: isRandom))
    }

    private var resolvedRestarts: Int? {
        if isGradientSearch || name == .fabT { return restarts }
        return asksNetwork && name != .file ? 1 : nil
    }

    /// Whether a draw has a say.
    private var isRandom: Bool {
        switch name {
        case .gaussianNoise, .square, .none, .autoattack: true
        case .fabT: restarts > 1
        case .file: false
        case .universal: routing == .noisy
        case .pgd, .fgsm, .apgdCE, .apgdDLR, .apgdT, .mixture, .transfer: resolvedStart != .none
        }
    }

    /// The gradient steps that an image meets at most; nil where the search is none of a known number of them.
    package var gradientSteps: Int? {
        switch name {
        case .pgd, .fgsm, .apgdCE, .apgdDLR: (resolvedSteps ?? 0) * restarts * max(1, eot)
        case .none, .gaussianNoise: 0
        case .apgdT, .fabT, .square, .autoattack, .mixture, .transfer, .universal, .file: nil
        }
    }

    private func search(for use: RunConfiguration.Use) -> (any Attacks.Attack)? {
        let ball = PerturbationBall(norm, epsilon: Float(epsilon))
        func automatic(_ goal: AutoProjectedGradientDescent.Goal = .given) -> any Attacks.Attack {
            AutoProjectedGradientDescent(
                ball: ball, steps: steps, restarts: restarts, start: resolvedStart, goal: goal,
                keep: use == .training ? .highestLoss : .adversarial)
        }
        switch name {
        case .none, .autoattack: return nil
        case .fgsm:
            return ProjectedGradientDescent.fastGradientSign(ball, start: resolvedStart, restarts: restarts)
        case .pgd, .mixture, .transfer:
            return ProjectedGradientDescent(
                ball: ball, stepSize: Float(stepSize), steps: steps, restarts: restarts, start: resolvedStart,
                keep: keep)
        case .apgdCE, .apgdDLR: return automatic()
        case .apgdT: return automatic(.targets(targets))
        case .fabT: return FastAdaptiveBoundary(ball: ball, steps: steps, restarts: restarts, targets: targets)
        case .square: return SquareAttack(ball: ball, queries: queries)
        case .gaussianNoise: return GaussianNoise(deviation: Float(epsilon))
        case .universal:
            return UniversalPerturbation(
                ball: ball, stepSize: Float(stepSize), passes: steps, images: trainSamples)
        case .file: return StoredImages(ball: ball, origin: file ?? "")
        }
    }
}
