import Attacks
import NetworkAttacks

extension RunConfiguration {
    /// Checks what attacks ask of the network, and where they can be made.
    func checkAttacks(for use: Use, _ reader: inout ConfigurationReader) {
        if use == .training { checkTrainingAttack(&reader) }
        for (index, attack) in (evaluation.attacks ?? []).enumerated() {
            checkEvaluated(attack, "evaluation.attacks.\(index)", for: use, &reader)
        }
        if evaluation.attacks == nil, let attack = resolvedEvaluationAttacks.first {
            checkEvaluated(attack, "attack", for: use, &reader)
        }
    }

    private func checkTrainingAttack(_ reader: inout ConfigurationReader) {
        reader.require(
            trainingAttack?.isForTraining ?? true, "attack.name", attack.name,
            allowed: Attack.Name.allCases.filter { name in
                var attack = Attack()
                attack.name = name
                return attack.isForTraining
            }.map(\.rawValue).joined(separator: ", ") + " in training")
        reader.require(
            evaluation.antiAdversary.steps == 0, "evaluation.anti_adversary.steps", evaluation.antiAdversary.steps,
            allowed: "0 in training: evaluate has the layer")
        reader.require(
            attack.surrogate == .none, "attack.surrogate", attack.surrogate, allowed: "none in training",
            beside: ["attack.name"])
        reader.require(
            attack.routing != .held, "attack.routing", attack.routing,
            allowed: "deterministic, noisy or clean in training, which judges no images")
    }

    private func checkEvaluated(
        _ attack: Attack, _ section: String, for use: Use, _ reader: inout ConfigurationReader
    ) {
        reader.require(
            use == .evaluation || ![.transfer, .universal, .file].contains(attack.name), "\(section).name",
            attack.name,
            allowed: "any but transfer, universal and file in training: evaluate makes them")
        let objective = attack.resolvedObjective
        reader.require(
            attack.name != .universal || !objective.isFlatAtCleanImages, "\(section).objective", attack.objective,
            allowed: "an objective with a slope at the clean images, where universal begins",
            beside: ["\(section).name"])
        reader.require(
            attack.name != .transfer || attack.source != nil, "\(section).source", attack.source,
            allowed: "the path of a run or checkpoint where the name is transfer", beside: ["\(section).name"])
        reader.require(
            attack.name != .file || attack.file != nil, "\(section).file", attack.file,
            allowed: "the path of a file where the name is file", beside: ["\(section).name"])
        if attack.name == .mixture { checkLadder(attack, section, &reader) }
        if attack.surrogate != .none { checkSurrogate(of: attack, section, &reader) }
        if attack.routing == .held {
            requireMixture("\(section).routing", attack.routing, "deterministic", &reader)
        }
    }

    private func checkLadder(_ attack: Attack, _ section: String, _ reader: inout ConfigurationReader) {
        requireMixture("\(section).name", attack.name, "any but mixture", &reader)
        let objective = attack.resolvedObjective
        reader.require(
            !objective.readsRouters && !objective.readsCleanImages, "\(section).objective", attack.objective,
            allowed:
                "auto, or an objective of logits and labels alone where the name is mixture: its stages add the others",
            beside: ["\(section).name"])
        reader.require(
            attack.routing == .deterministic, "\(section).routing", attack.routing,
            allowed: "deterministic where the name is mixture: its stages are routed as each says",
            beside: ["\(section).name"])
    }

    private func checkSurrogate(of attack: Attack, _ section: String, _ reader: inout ConfigurationReader) {
        requireMixture("\(section).surrogate", attack.surrogate, "none", &reader)
        if case .expert(let expert) = attack.surrogate {
            reader.require(
                expert < moe.experts, "\(section).surrogate", attack.surrogate,
                allowed: "the number of an expert below moe.experts, \(moe.experts)", beside: ["moe.experts"])
        }
        reader.require(
            attack.routing == .deterministic || (attack.routing == .noisy && !attack.surrogate.fixesRoutes),
            "\(section).surrogate", attack.surrogate,
            allowed: "none where \(section).routing is \(attack.routing.rawValue)", beside: ["\(section).routing"])
    }

    /// Requires a network whose routers choose among experts.
    private func requireMixture(
        _ key: String, _ value: some ConfigurationValue, _ others: String, _ reader: inout ConfigurationReader
    ) {
        let conditions: [(Bool, String, String)] = [
            (moe.kind != .none, "moe.kind", moe.kind.written.flow),
            (moe.routes == .learned, "moe.routes", moe.routes.written.flow),
            (moe.experts > 1, "moe.experts", moe.experts.written.flow),
        ]
        for (holds, setting, found) in conditions {
            reader.require(
                holds, key, value, allowed: "\(others) where \(setting) is \(found): it is for mixtures with routers",
                beside: [setting])
        }
    }
}
