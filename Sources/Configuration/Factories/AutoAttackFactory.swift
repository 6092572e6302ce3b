import Attacks
import NetworkAttacks

extension RunConfiguration.Attack {
    /// Gradient steps of every stage of AutoAttack.
    private static let autoAttackSteps = 100

    /// The attacks that `autoattack` runs, each on the images that those before it have left; nil for other names.
    ///
    /// Their order and numbers are those of AutoAttack's public code: `standard` is apgd-ce, apgd-t, fab-t and square;
    /// `rand` apgd-ce and apgd-dlr along the mean of 20 passes, where routing is noisy; `plus` apgd-ce, apgd-dlr and the
    /// untargeted FAB with 5 restarts each, square, apgd-t and fab-t. Gradient steps are 100 everywhere.
    package var autoAttackStages: [NetworkAttack]? {
        guard name == .autoattack else { return nil }
        func stage(_ name: Name, restarts: Int = 1, expectation: Int = 1) -> NetworkAttack? {
            var stage = self
            stage.name = name
            stage.id = name.rawValue
            stage.steps = Self.autoAttackSteps
            stage.restarts = restarts
            stage.eot = expectation
            (stage.start, stage.objective) = (.automatic, .automatic)
            return stage.networkAttack
        }
        let stages: [NetworkAttack?]
        switch version {
        case .standard: stages = [stage(.apgdCE), stage(.apgdT), stage(.fabT), stage(.square)]
        case .rand: stages = [stage(.apgdCE, expectation: 20), stage(.apgdDLR, expectation: 20)]
        case .plus:
            var untargeted = stage(.fabT, restarts: 5)
            untargeted?.id = "fab"
            untargeted?.search = FastAdaptiveBoundary(
                ball: PerturbationBall(norm, epsilon: Float(epsilon)), steps: Self.autoAttackSteps, restarts: 5,
                targets: nil)
            stages = [
                stage(.apgdCE, restarts: 5), stage(.apgdDLR, restarts: 5), untargeted, stage(.square), stage(.apgdT),
                stage(.fabT),
            ]
        }
        return stages.compactMap { $0 }
    }
}
