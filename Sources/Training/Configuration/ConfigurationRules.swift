extension RunConfiguration {
    /// Checks what no single key can tell: combinations that are impossible.
    func check(_ reader: inout ConfigurationReader) {
        checkExperts(&reader)
        checkTraining(&reader)
        attack.check("attack", &reader)
        for (index, attack) in evaluation.attacks.enumerated() {
            attack.check("evaluation.attacks.\(index)", &reader)
        }
        checkEvaluation(&reader)
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
            schedule.minimumRate <= optimizer.rate, "training.schedule.minimum_rate", schedule.minimumRate,
            allowed: "at most training.optimizer.rate, \(optimizer.rate)", beside: ["training.optimizer.rate"])
        reader.require(
            schedule.name != .step || !schedule.milestones.isEmpty, "training.schedule.milestones", schedule.milestones,
            allowed: "at least one epoch where training.schedule.name is step", beside: ["training.schedule.name"])
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
        }
    }
}

extension RunConfiguration.Attack {
    /// Words that stand in files for something else than an attack.
    private static let reservedIds = ["clean", "none", "worst-case"]

    fileprivate func check(_ section: String, _ reader: inout ConfigurationReader) {
        reader.require(
            name != .pgd || steps >= 1, "\(section).steps", steps, allowed: "at least 1 for pgd",
            beside: ["\(section).name"])
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
