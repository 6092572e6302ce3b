import Attacks
import Tensors
import Training

extension RunConfiguration {
    /// Checks what no single key can tell: combinations that are impossible.
    func check(_ reader: inout ConfigurationReader) {
        checkModel(&reader)
        checkExperts(&reader)
        checkTraining(&reader)
        checkMethod(&reader)
        attack.check("attack", &reader)
        trainingAttack?.checkStart("attack", &reader)
        for (index, attack) in (evaluation.attacks ?? []).enumerated() {
            attack.checkStart("evaluation.attacks.\(index)", &reader)
            attack.check("evaluation.attacks.\(index)", &reader)
        }
        checkEvaluation(&reader)
        checkData(&reader)
    }

    private func checkData(_ reader: inout ConfigurationReader) {
        let names = "where data.dataset is not folder or tiny-imagenet"
        for (key, side) in [("data.resize", data.resize), ("data.crop", data.crop)] {
            reader.require(
                side == nil || data.readsImageFiles, key, side, allowed: "null \(names)", beside: ["data.dataset"])
        }
        reader.require(
            data.resizeMode == nil || data.readsImageFiles, "data.resize_mode", data.resizeMode,
            allowed: "null \(names)", beside: ["data.dataset"])
        let augmentation = data.augmentation ?? []
        reader.require(
            !augmentation.contains(.crop) || !augmentation.contains(.randomResizedCrop), "data.augmentation",
            data.augmentation, allowed: "crop or random-resized-crop, which put the window each its own way")
        reader.require(
            data.corrupt == .refuse || data.readsImageFiles, "data.corrupt", data.corrupt, allowed: "refuse \(names)",
            beside: ["data.dataset"])
        if data.extra != nil {
            let batch = training.globalBatch
            reader.require(
                (1..<batch).contains(extraOfBatch), "data.extra_share", data.extraShare,
                allowed: "a share that leaves at least one image of each kind in training.global_batch, \(batch)",
                beside: ["training.global_batch", "data.extra"])
        }
        if let resize = data.resize, let crop = data.crop {
            reader.require(
                crop <= resize, "data.crop", crop, allowed: "at most data.resize, \(resize)", beside: ["data.resize"])
        }
    }

    /// Checks that this program and its processor have what the arithmetic asks for; evaluations are made without.
    func checkProcessor(_ reader: inout ConfigurationReader) {
        reader.require(
            kernels.arithmetic.isAvailable, "kernels.arithmetic", kernels.arithmetic,
            allowed: Arithmetic.available.map(\.rawValue).joined(separator: ", ")
                + " here; bfloat16 takes a processor with AVX512-BF16 (avx512_bf16 in /proc/cpuinfo) and a program that is "
                + "built on it by ROBUSTMOE_MARCH=native launch/build")
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
            moe.straightThrough != .given(true) || moe.topK == 1, "moe.straight_through", moe.straightThrough,
            allowed: "auto or false where moe.top_k is above 1", beside: ["moe.top_k"])
        reader.require(
            moe.kind == .none || moe.capacity == nil || moe.resolvedLoss != .entropy, "moe.capacity", moe.capacity,
            allowed: "null where moe.balance.loss is entropy, which selects without capacity",
            beside: ["moe.balance.loss", "moe.kind"])
        checkChannels(&reader)
        if case .expert(let expert) = moe.routes {
            reader.require(
                expert < moe.experts, "moe.routes", moe.routes,
                allowed: "an expert's number below moe.experts, \(moe.experts)", beside: ["moe.experts"])
        }
        reader.require(
            moe.kind == .none || moe.placement?.isEmpty != true, "moe.placement", moe.placement,
            allowed: "at least one path where moe.kind is \(moe.kind.written.flow)", beside: ["moe.kind"])
    }

    private func checkChannels(_ reader: inout ConfigurationReader) {
        let isChannel = moe.kind.value == .channel
        reader.require(
            moe.scope == .layer || isChannel, "moe.scope", moe.scope, allowed: "layer unless moe.kind is channel",
            beside: ["moe.kind"])
        reader.require(
            moe.router == .resnet20 || moe.scope == .layer, "moe.router", moe.router,
            allowed: "resnet20 where moe.scope is image", beside: ["moe.scope"])
        reader.require(
            !isChannel || moe.topK == 1, "moe.top_k", moe.topK, allowed: "1 where moe.kind is channel",
            beside: ["moe.kind"])
        reader.require(
            !isChannel || moe.straightThrough != .given(false), "moe.straight_through", moe.straightThrough,
            allowed: "auto or true where moe.kind is channel", beside: ["moe.kind"])
        reader.require(
            moe.varianceWeight == 0 || moe.scope == .layer, "moe.variance_weight", moe.varianceWeight,
            allowed: "0 where moe.scope is image", beside: ["moe.scope"])
    }

    private func checkTraining(_ reader: inout ConfigurationReader) {
        let (optimizer, schedule) = (training.optimizer, training.schedule)
        reader.require(
            !optimizer.nesterov || optimizer.name == .sgd && optimizer.momentum > 0, "training.optimizer.nesterov",
            optimizer.nesterov, allowed: "true only where training.optimizer.name is sgd, with a momentum above 0",
            beside: ["training.optimizer.name", "training.optimizer.momentum"])
        let router = training.methods.advmoe.routerOptimizer
        reader.require(
            training.method != .advmoe || router.name == optimizer.name, "training.advmoe.router_optimizer.name",
            router.name, allowed: "that of training.optimizer, \(optimizer.name.rawValue)",
            beside: ["training.optimizer.name"])
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
                "at least attack.epsilon, \(text(of: attack.epsilon, at: "attack.epsilon")), where training.method is fast, such as 10/255 for 8/255",
            beside: ["training.method", "attack.epsilon", "attack.name"])
        reader.require(
            training.cleanWeight == 0 || trainingAttack != nil, "training.clean_weight", training.cleanWeight,
            allowed: "0 where no attack changes images", beside: ["attack.name"])
        reader.require(
            distributed.wire == .float32 || distributed.deterministicShards == 0, "distributed.wire", distributed.wire,
            allowed: "float32 where there are distributed.deterministic_shards, whose sums are exact",
            beside: ["distributed.deterministic_shards"])
        reader.require(
            !distributed.errorFeedback || distributed.wire != .float32, "distributed.error_feedback",
            distributed.errorFeedback,
            allowed: "false where distributed.wire is float32, which leaves nothing out",
            beside: ["distributed.wire"])
        checkAlternation(&reader)
        checkPruning(&reader)
        checkMicroBatch(&reader)
        reader.require(
            training.method != .free || attack.norm == .linf, "attack.norm", attack.norm,
            allowed: "linf where training.method is free", beside: ["training.method"])
    }

    private func checkAlternation(_ reader: inout ConfigurationReader) {
        let isAlternating = training.method == .advmoe
        let divides = isAlternating || training.method == .trades
        reader.require(
            !divides || attack.batchNorm == .frozen, "attack.batch_norm", attack.batchNorm,
            allowed: "frozen where training.method is \(training.method.rawValue)", beside: ["training.method"])
        reader.require(
            !divides || attack.name == .pgd || attack.name == .none, "attack.name", attack.name,
            allowed: "pgd or none where training.method is \(training.method.rawValue)", beside: ["training.method"])
        let objective = attack.resolvedObjective
        reader.require(
            divides || !(objective.readsCleanImages || objective.readsRouters), "attack.objective", attack.objective,
            allowed: "auto, cross-entropy or margin where training.method is \(training.method.rawValue)",
            beside: ["training.method"])
        reader.require(
            !isAlternating || moe.kind != .none, "training.method", training.method,
            allowed: "any but advmoe where moe.kind is none", beside: ["moe.kind"])
        reader.require(
            !isAlternating || training.parameters == .all, "training.parameters", training.parameters,
            allowed: "all where training.method is advmoe", beside: ["training.method"])
        reader.require(
            [.all, .scores].contains(training.parameters) || moe.kind != .none, "training.parameters",
            training.parameters, allowed: "all or scores where moe.kind is none", beside: ["moe.kind"])
        if isAlternating { checkAlternation(training.methods.advmoe.method, &reader) }
    }

    private func checkAlternation(_ settings: AdvMoE.Settings, _ reader: inout ConfigurationReader) {
        let section = "training.advmoe"
        reader.require(
            !settings.sharedAttack || (settings.sharedBatch && settings.routerObjective == .trades),
            "\(section).shared_attack", settings.sharedAttack,
            allowed: "false unless \(section).shared_batch is true and \(section).router_objective trades",
            beside: ["\(section).shared_batch", "\(section).router_objective"])
        reader.require(
            settings.routerObjective == .trades || moe.scope == .image, "\(section).router_objective",
            settings.routerObjective, allowed: "trades unless moe.scope is image", beside: ["moe.scope"])
        reader.require(
            settings.statisticsUpdates == .once
                || (settings.sharedBatch && moe.scope == .image && settings.order == .expertsFirst
                    && settings.routerObjective == .labelModulo),
            "\(section).statistics_updates", settings.statisticsUpdates,
            allowed: "once unless the step is that of preset advmoe-code", beside: ["moe.scope"])
    }

    private func checkPruning(_ reader: inout ConfigurationReader) {
        let learns = training.parameters == .scores
        reader.require(
            !learns || moe.kind == .none, "training.parameters", training.parameters,
            allowed: "all, router or experts where moe.kind is \(moe.kind.written.flow)", beside: ["moe.kind"])
        reader.require(
            !learns || model.masks == nil, "model.masks", model.masks,
            allowed: "null where training.parameters is scores", beside: ["training.parameters"])
        reader.require(
            !learns || training.weightAverage == nil, "training.weight_average", training.weightAverage,
            allowed: "null where training.parameters is scores", beside: ["training.parameters"])
        reader.require(
            model.masks == nil || moe.kind == .none, "model.masks", model.masks,
            allowed: "null where moe.kind is \(moe.kind.written.flow)", beside: ["moe.kind"])
    }

    private func checkMicroBatch(_ reader: inout ConfigurationReader) {
        guard let size = training.microBatch else { return }
        func require(_ condition: Bool, _ allowed: String, _ others: String...) {
            reader.require(condition, "training.micro_batch", size, allowed: allowed, beside: others)
        }
        require(
            [.standard, .pgd, .fast].contains(training.method),
            "null where training.method is \(training.method.rawValue)", "training.method")
        require(
            distributed.batchNorm == .local, "null where distributed.batch_norm is synchronized",
            "distributed.batch_norm")
        require(
            distributed.deterministicShards == 0, "null where there are distributed.deterministic_shards",
            "distributed.deterministic_shards")
        let needsBatch =
            moe.kind != .none && moe.statistics == .global
            && (moe.resolvedLoss != .none || moe.varianceWeight > 0 || moe.noise > 0 || moe.capacity != nil)
        require(
            !needsBatch,
            "null, or moe.statistics: local, where routers have a balancing loss, noise or capacity", "moe.statistics",
            "moe.kind", "moe.balance.loss")
        require(
            attack.batchNorm != .batchUpdating, "null where attack.batch_norm is batch-updating", "attack.batch_norm")
    }

    private func checkEvaluation(_ reader: inout ConfigurationReader) {
        reader.require(
            evaluation.masks == nil || moe.kind.value == .channel, "evaluation.masks", evaluation.masks,
            allowed: "null unless moe.kind is channel", beside: ["moe.kind"])
        reader.require(
            evaluation.split != .validation || training.validationFraction > 0, "evaluation.split", evaluation.split,
            allowed: "test, or a training.validation_fraction above 0", beside: ["training.validation_fraction"])
        var ids: Set<String> = []
        for (index, attack) in (evaluation.attacks ?? []).enumerated() {
            let key = "evaluation.attacks.\(index)"
            reader.require(
                ids.insert(attack.resolvedId).inserted, "\(key).id", attack.resolvedId,
                allowed: "an id that no attack before it has", beside: ["evaluation.attacks"])
            reader.require(
                attack.batchNorm == .frozen, "\(key).batch_norm", attack.batchNorm,
                allowed: "frozen in evaluations, where other images of the batch must not count")
            let hasNoise = moe.kind != .none && moe.routes == .learned && routingRule.noise > 0
            reader.require(
                attack.routing != .noisy || hasNoise, "\(key).routing", attack.routing,
                allowed: "deterministic, clean or held in evaluations of routers that were trained without noise",
                beside: ["moe.noise"])
        }
        let count =
            (evaluation.attacks?.count ?? 1) * (evaluation.steps?.count ?? 1) * (evaluation.epsilons?.count ?? 1)
        guard count <= ConfigurationLimits.attacks else {
            return reader.require(
                false, "evaluation.attacks", evaluation.attacks,
                allowed: "at most \(ConfigurationLimits.attacks) with every one of evaluation.steps and "
                    + "evaluation.epsilons, which would be \(count)")
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
            !hasSteps || steps >= 1, "\(section).steps", steps,
            allowed: "at least 1 for \(name.rawValue)",
            beside: ["\(section).name"])
        reader.require(
            norm != .linf || epsilon <= 1, "\(section).epsilon", epsilon, allowed: "from 0 to 1 where the norm is linf",
            beside: ["\(section).norm"], suggestion: "\(epsilon.written.flow)/255")
        reader.require(
            !hasStepSize || steps == 0 || stepSize > 0, "\(section).step_size", stepSize,
            allowed: "above 0 where there are steps", beside: ["\(section).steps"])
        reader.require(
            id.map { !Self.reservedIds.contains($0) || name == .none } ?? true, "\(section).id", id,
            allowed: "any name but \(Self.reservedIds.joined(separator: ", "))")
    }
}

extension RunConfiguration.Attack {
    /// Refuses a search that cannot leave its start: at the clean images, divergences from them have no slope.
    fileprivate func checkStart(_ section: String, _ reader: inout ConfigurationReader) {
        reader.require(
            !isGradientSearch || !resolvedObjective.isFlatAtCleanImages || resolvedStart != .none, "\(section).start",
            start,
            allowed: "auto, uniform, uniform-unclamped or gaussian where the objective is "
                + "\(resolvedObjective.rawValue), which has no slope at the clean images",
            beside: ["\(section).objective", "\(section).name"])
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
    ///   - suggestion: What was probably meant.
    mutating func require(
        _ condition: Bool, _ key: String, _ value: some ConfigurationValue, allowed: String,
        beside others: [String] = [], suggestion: String? = nil
    ) {
        let keys = [key] + others
        guard !condition, failed.isDisjoint(with: keys) else { return }
        let section = key[...(key.lastIndex(of: ".") ?? key.startIndex)]
        let near = origins.keys.filter { $0.hasPrefix(section) }.sorted()
        let origin = (keys + near).compactMap { origins[$0] }.first ?? "defaults"
        failed.insert(key)
        issues.append(.value(key, found: value.written.flow, allowed: allowed, origin: origin, suggestion: suggestion))
    }
}
