import NetworkAttacks
import Networks
import Training

extension RunConfiguration {
    /// What a configuration is resolved for: some combinations are impossible for one use alone.
    ///
    /// A network may be evaluated with routes that could not train it, and be measured with both.
    package enum Use: Sendable {
        /// Training, with the evaluations on its way.
        case training
        /// Evaluating a network that there is.
        case evaluation
        /// Measuring how long the parts of training take.
        case measurement
    }

    /// Checks that routers learn, and are attacked, only where something depends on them: elsewhere nothing would move, and
    /// the run would say that it did.
    func checkRouters(for use: Use, _ reader: inout ConfigurationReader) {
        if use == .measurement { return }
        if use == .training {
            checkRouterTraining(&reader)
            if let attack = trainingAttack { checkObjective(of: attack, "attack", &reader) }
        }
        for (index, attack) in (evaluation.attacks ?? []).enumerated() {
            checkObjective(of: attack, "evaluation.attacks.\(index)", &reader)
        }
    }

    /// Where an update is of routers alone, their parameters must have a slope.
    private func checkRouterTraining(_ reader: inout ConfigurationReader) {
        let isAlternating = training.method == .advmoe
        guard moe.kind != .none, isAlternating || training.parameters == .router else { return }
        let (key, value) =
            isAlternating
            ? ("training.method", training.method.rawValue) : ("training.parameters", training.parameters.rawValue)
        let cause = "where \(key) is \(value)"
        reader.require(moe.routes == .learned, "moe.routes", moe.routes, allowed: "learned \(cause)", beside: [key])
        reader.require(moe.experts > 1, "moe.experts", moe.experts, allowed: "at least 2 \(cause)", beside: [key])
        let trainable = RouterName.allCases.filter(\.hasParameters).map(\.rawValue).joined(separator: ", ")
        reader.require(
            moe.router.hasParameters, "moe.router", moe.router, allowed: "one with parameters \(cause): \(trainable)",
            beside: [key])
        reader.require(
            !moe.hasFlatWeights, "moe.straight_through", moe.straightThrough,
            allowed:
                "auto or true \(cause) and moe.weights are renormalised, which at moe.top_k 1 are 1 whatever the score",
            beside: [key, "moe.weights", "moe.top_k"])
    }

    /// An objective of routers must depend on the images through them.
    private func checkObjective(of attack: Attack, _ section: String, _ reader: inout ConfigurationReader) {
        guard attack.resolvedSteps != nil, attack.resolvedObjective.readsRouters else { return }
        func require(_ condition: Bool, _ setting: String, _ value: some ConfigurationValue) {
            reader.require(
                condition, "\(section).objective", attack.objective,
                allowed:
                    "one without routers where \(setting) is \(value.written.flow): auto, cross-entropy, margin or kl",
                beside: [setting])
        }
        require(moe.kind != .none, "moe.kind", moe.kind)
        require(moe.routes == .learned, "moe.routes", moe.routes)
        require(moe.experts > 1, "moe.experts", moe.experts)
        require(moe.router != .random, "moe.router", moe.router)
        require(attack.routing != .clean, "\(section).routing", attack.routing)
    }

    /// Sentences on settings that weaken the training of routers without ending it.
    package var trainingWarnings: [String] {
        let learns = moe.kind != .none && moe.routes == .learned && moe.router.hasParameters
        guard learns, training.parameters == .all, training.method != .advmoe, moe.hasFlatWeights else { return [] }
        return [
            "moe.straight_through is false beside renormalised moe.weights and moe.top_k 1: weights are 1 whatever the score, so "
                + "that routers learn nothing but balance"
        ]
    }
}

extension RunConfiguration.MixtureOfExperts {
    /// Whether the weight of an image's one expert is its score over itself: its slope is that of s / (s + 1e-5).
    var hasFlatWeights: Bool { topK == 1 && !isStraightThrough && weights == .renormalised }
}
