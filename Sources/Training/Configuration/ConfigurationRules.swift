extension RunConfiguration {
    /// Checks what no single key can tell: combinations that are impossible.
    func check(_ reader: inout ConfigurationReader) {
        checkModel(&reader)
        checkExperts(&reader)
        checkTraining(&reader)
        checkMethod(&reader)
        attack.check("attack", &reader)
        for (index, attack) in evaluation.attacks.enumerated() {
            attack.check("evaluation.attacks.\(index)", &reader)
        }
        checkEvaluation(&reader)
    }

    private func checkModel(_ reader: inout ConfigurationReader) {
        reader.require(
            model.architecture != .vgg16 || model.stem == .cifar, "model.stem", model.stem,
            allowed: "cifar where model.architecture is vgg16, whose first stage pools", beside: ["model.architecture"])
    }

    private func checkExperts(_ reader: inout ConfigurationReader) {
        reader.require(
            moe.topK <= moe.experts, "moe.top_k", moe.topK, allowed: "at most moe.experts, \(moe.experts)",
            beside: ["moe.experts"])
        reader.require(
            moe.straightThrough != .on || moe.topK == 1, "moe.straight_through", moe.straightThrough,
            allowed: "auto or false where moe.top_k is above 1", beside: ["moe.top_k"])
        reader.require(
            moe.kind == .none || moe.capacity == nil || moe.balance.loss != .entropy, "moe.capacity", moe.capacity,
            allowed: "null where moe.balance.loss is entropy, which selects without capacity",
            beside: ["moe.balance.loss", "moe.kind"])
        if case .expert(let expert) = moe.routes {
            reader.require(
                expert < moe.experts, "moe.routes", moe.routes,
                allowed: "an expert's number below moe.experts, \(moe.experts)", beside: ["moe.experts"])
        }
        reader.require(
            moe.kind == .none || moe.placement?.isEmpty != true, "moe.placement", moe.placement,
            allowed: "at least one path where moe.kind is \(moe.kind.rawValue)", beside: ["moe.kind"])
    }

    private func checkTraining(_ reader: inout ConfigurationReader) {
        let (optimizer, schedule) = (training.optimizer, training.schedule)
        reader.require(
            !optimizer.nesterov || optimizer.momentum > 0, "training.optimizer.nesterov", optimizer.nesterov,
            allowed: "true only with a momentum above 0", beside: ["training.optimizer.momentum"])
        reader.require(
            schedule.warmup != .product || schedule.per == .epoch, "training.schedule.warmup", schedule.warmup,
            allowed: "before, or training.schedule.per: epoch", beside: ["training.schedule.per"])
        reader.require(
            schedule.warmup != .product || schedule.warmupEpochs < Double(training.epochs),
            "training.schedule.warmup_epochs", schedule.warmupEpochs,
            allowed: "below training.epochs, \(training.epochs), where training.schedule.warmup is product",
            beside: ["training.epochs", "training.schedule.warmup"])
        reader.require(
            schedule.minimumRate <= optimizer.rate, "training.schedule.minimum_rate", schedule.minimumRate,
            allowed: "at most training.optimizer.rate, \(optimizer.rate)", beside: ["training.optimizer.rate"])
        reader.require(
            schedule.name != .step || !schedule.milestones.isEmpty, "training.schedule.milestones", schedule.milestones,
            allowed: "at least one epoch where training.schedule.name is step", beside: ["training.schedule.name"])
    }

    private func checkMethod(_ reader: inout ConfigurationReader) {
        let fast = training.method == .fast
        reader.require(
            !fast || [.pgd, .fgsm].contains(attack.name), "attack.name", attack.name,
            allowed: "pgd or fgsm where training.method is fast", beside: ["training.method"])
        // A short single step makes no adversary: better none than one that is weak by oversight.
        reader.require(
            !fast || attack.name != .pgd || attack.stepSize >= attack.epsilon, "attack.step_size", attack.stepSize,
            allowed:
                "at least attack.epsilon, \(attack.epsilon), where training.method is fast, such as 10/255 for 8/255",
            beside: ["training.method", "attack.epsilon", "attack.name"])
        reader.require(
            training.method != .free || attack.norm == .linf, "attack.norm", attack.norm,
            allowed: "linf where training.method is free", beside: ["training.method"])
    }

    private func checkEvaluation(_ reader: inout ConfigurationReader) {
        reader.require(
            evaluation.split != .validation || training.validationFraction > 0, "evaluation.split", evaluation.split,
            allowed: "test, or a training.validation_fraction above 0", beside: ["training.validation_fraction"])
        var ids: Set<String> = []
        for (index, attack) in evaluation.attacks.enumerated() {
            let key = "evaluation.attacks.\(index)"
            reader.require(
                ids.insert(attack.resolvedId).inserted, "\(key).id", attack.resolvedId,
                allowed: "an id that no attack before it has", beside: ["evaluation.attacks"])
            reader.require(
                attack.batchNorm == .frozen, "\(key).batch_norm", attack.batchNorm,
                allowed: "frozen in evaluations, where other images of the batch must not count")
            reader.require(
                attack.routing != .noisy, "\(key).routing", attack.routing,
                allowed: "deterministic or clean in evaluations, which have no noise")
        }
        // Attacks that differ in nothing but what a sweep sets become the same.
        ids = []
        for attack in resolvedEvaluationAttacks where evaluation.steps != nil || evaluation.epsilons != nil {
            reader.require(
                ids.insert(attack.resolvedId).inserted, "evaluation.attacks", attack.resolvedId,
                allowed: "attacks whose ids still differ under evaluation.steps and evaluation.epsilons",
                beside: ["evaluation.steps", "evaluation.epsilons"])
        }
    }
}

extension RunConfiguration.Attack {
    /// Words that stand in files for something else than an attack.
    private static let reservedIds = ["clean", "none", "worst-case"]

    fileprivate func check(_ section: String, _ reader: inout ConfigurationReader) {
        reader.require(
            ![.pgd, .apgdCE].contains(name) || steps >= 1, "\(section).steps", steps,
            allowed: "at least 1 for \(name.rawValue)",
            beside: ["\(section).name"])
        reader.require(
            norm != .linf || epsilon <= 1, "\(section).epsilon", epsilon, allowed: "from 0 to 1 where the norm is linf",
            beside: ["\(section).norm"])
        reader.require(
            name != .pgd || steps == 0 || stepSize > 0, "\(section).step_size", stepSize,
            allowed: "above 0 where there are steps", beside: ["\(section).steps"])
        reader.require(
            id.map { !Self.reservedIds.contains($0) || name == .none } ?? true, "\(section).id", id,
            allowed: "any name but \(Self.reservedIds.joined(separator: ", "))")
    }
}

extension ConfigurationReader {
    /// Reports a value that cannot stand beside others, unless one of them has been reported already.
    /// - Parameters:
    ///   - condition: Whether it can.
    ///   - key: The dotted key of the value.
    ///   - value: The value.
    ///   - allowed: What may stand there, in words.
    ///   - others: The keys of the others.
    fileprivate mutating func require(
        _ condition: Bool, _ key: String, _ value: some ConfigurationValue, allowed: String,
        beside others: [String] = []
    ) {
        let keys = [key] + others
        guard !condition, failed.isDisjoint(with: keys) else { return }
        let section = key[...(key.lastIndex(of: ".") ?? key.startIndex)]
        let near = origins.keys.filter { $0.hasPrefix(section) }.sorted()
        let origin = (keys + near).compactMap { origins[$0] }.first ?? "defaults"
        failed.insert(key)
        issues.append(.value(key, found: value.written.flow, allowed: allowed, origin: origin))
    }
}
