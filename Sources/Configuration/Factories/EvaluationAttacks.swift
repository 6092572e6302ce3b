import NetworkAttacks

extension RunConfiguration {
    /// The attacks that are evaluated beside clean images, which always are.
    ///
    /// Where none are given, that is the attack of training on the model that is used: cross entropy as objective, frozen,
    /// without noise. Entries called `none` add nothing. Lists of steps and radii multiply what is there.
    package var resolvedEvaluationAttacks: [Attack] {
        var ofTraining = attack
        ofTraining.objective = .given(.crossEntropy)
        if ofTraining.routing == .noisy { ofTraining.routing = .deterministic }
        if ofTraining.start == .given(.gaussian) { ofTraining.start = .given(.uniform) }
        let attacks = evaluation.attacks ?? [ofTraining]
        return attacks.filter { $0.name != .none }.flatMap { attack in
            attack.swept(steps: evaluation.steps).flatMap { $0.swept(epsilons: evaluation.epsilons) }
        }
    }
}

extension RunConfiguration {
    /// What an evaluation makes of ``resolvedEvaluationAttacks``.
    package var evaluatedAttacks: [EvaluatedAttack] { resolvedEvaluationAttacks.compactMap(\.evaluatedAttack) }
}

extension RunConfiguration.Attack {
    /// What an evaluation makes of the attack; nil if the name is `none`.
    package var evaluatedAttack: EvaluatedAttack? {
        if let autoAttackStages { return EvaluatedAttack(id: resolvedId, ladder: autoAttackStages) }
        return networkAttack.map { EvaluatedAttack($0) }
    }

    /// The attack with each number of steps, where it takes any.
    fileprivate func swept(steps: [Int]?) -> [Self] {
        guard let steps, hasSteps else { return [self] }
        return steps.map { count in
            var attack = self
            attack.steps = count
            if let id { attack.id = "\(id)-\(count)" }
            return attack
        }
    }

    /// The attack with each radius; its steps grow in proportion.
    fileprivate func swept(epsilons: [Double]?) -> [Self] {
        guard let epsilons else { return [self] }
        return epsilons.map { radius in
            var attack = self
            attack.epsilon = radius
            if epsilon > 0 { attack.stepSize *= radius / epsilon }
            if let id { attack.id = "\(id)-\(attack.radiusText)" }
            return attack
        }
    }
}
