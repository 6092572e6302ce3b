import NetworkAttacks
import Networks

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
    /// What an evaluation of a network makes of ``resolvedEvaluationAttacks``.
    ///
    /// Where an anti-adversary layer stands before the network, each attack is made through it and, as `<id>-transfer`, on the
    /// network alone: what undoes the layer stands beside what it seems to hold.
    package func evaluatedAttacks(of network: Network) -> [EvaluatedAttack] {
        let attacks = resolvedEvaluationAttacks.compactMap {
            $0.evaluatedAttack(of: network, noise: routingRule.noise)
        }
        guard antiAdversary != nil else { return attacks }
        return attacks.flatMap { attack in
            var alone = attack
            alone.id += "-transfer"
            for stage in alone.stages.indices {
                alone.stages[stage].seesAntiAdversary = false
                if !alone.isLadder { alone.stages[stage].id = alone.id }
            }
            return [attack, alone]
        }
    }
}

extension RunConfiguration.Attack {
    /// Passes whose mean an attack follows under noise, where nobody says how many: as the version of AutoAttack for
    /// randomized networks (Croce and Hein, arXiv:2003.01690).
    private static let usualExpectation = 20

    /// What an evaluation makes of the attack, if that hangs on no network; nil if the name is `none`.
    package var evaluatedAttack: EvaluatedAttack? {
        if let autoAttackStages { return EvaluatedAttack(id: resolvedId, ladder: autoAttackStages) }
        return networkAttack.map { EvaluatedAttack($0) }
    }

    /// What an evaluation of a network makes of the attack; nil if the name is `none`.
    /// - Parameter noise: The deviation of the noise that the network's routers were trained with.
    package func evaluatedAttack(of network: Network, noise: Float) -> EvaluatedAttack? {
        guard name == .mixture, let attack = networkAttack else { return evaluatedAttack }
        let ladder = MixtureLadder(base: attack, expectation: eot > 1 ? eot : Self.usualExpectation)
        return EvaluatedAttack(id: resolvedId, ladder: ladder.stages(for: network, noise: noise))
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
