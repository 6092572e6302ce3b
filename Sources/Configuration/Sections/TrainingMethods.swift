import Attacks
import Collectives
import Datasets
import Training

extension RunConfiguration.Training {
    /// What a step minimizes.
    package enum Method: String, CaseIterable, Sendable {
        /// The loss on clean images.
        case standard
        /// The loss on images that the section `attack` has changed (Madry et al., arXiv 1706.06083).
        case pgd
        /// The loss on images changed by a single step of that attack (Wong et al., arXiv 2001.03994).
        case fast
        /// The loss on images with a noise that grows while each batch is replayed (Shafahi et al., arXiv 1904.12843).
        case free
        /// The loss on clean images plus `beta` times the divergence between them and attacked ones (Zhang et al.,
        /// arXiv 1901.08573).
        case trades
        /// The boosted cross entropy of attacked images plus `beta` times their divergence from clean ones, the more the less
        /// sure these are (Wang et al., ICLR 2020).
        case mart
        /// Updates of routers and experts in turn, each by an attack of its own (Zhang et al., arXiv 2308.10110).
        case advmoe
    }

    /// What belongs to one method, in a section each.
    package struct MethodSettings: Sendable, Equatable {
        /// The settings of `free`.
        package var free = Free.Settings()
        /// The settings of `trades`.
        package var trades = Trades.Settings()
        /// The settings of `mart`.
        package var mart = Mart.Settings()
        /// The settings of `advmoe`.
        package var advmoe = RunConfiguration.Alternation()
    }

    /// The sections of methods.
    static let methodSections: [ConfigurationKey<Self>] = [
        ConfigurationKey("free", \.methods.free, "settings of free", onlyWhere: .method(.free)),
        ConfigurationKey("trades", \.methods.trades, "settings of trades", onlyWhere: .method(.trades)),
        ConfigurationKey("mart", \.methods.mart, "settings of mart", onlyWhere: .method(.mart)),
        ConfigurationKey("advmoe", \.methods.advmoe, "settings of advmoe", onlyWhere: .method(.advmoe)),
    ]
}

extension RunConfiguration {
    /// The part `training.advmoe`.
    package struct Alternation: Sendable, Equatable {
        /// What a step does.
        package var method = AdvMoE.Settings()
        /// The routers' optimizer.
        package var routerOptimizer = OptimizerSettings()
        /// The routers' learning rate over time.
        package var routerSchedule = ScheduleSettings()

        /// Makes the part with every default.
        package init() {}
    }

    /// What a step does with a batch.
    package func trainingMethod(_ traits: DatasetTraits, _ communicator: any Communicator) -> any TrainingMethod {
        let attacked = trainingAttack?.resolvedId ?? "clean"
        switch training.method {
        case .standard, .pgd, .fast: return Adversarial(attacked: attacked, cleanWeight: training.cleanWeight)
        case .free:
            let noise = FreeNoise(
                epsilon: Float(attack.epsilon), stepSize: Float(attack.stepSize), globalBatch: training.globalBatch,
                shape: (traits.height, traits.width, traits.channels), shards: shardsPerRank(communicator.size),
                communicator)
            return Free(training.methods.free, noise: noise, inputs: freeInputs)
        case .trades: return Trades(training.methods.trades, attacked: attacked)
        case .mart: return Mart(training.methods.mart, attacked: attacked)
        case .advmoe: return AdvMoE(training.methods.advmoe.method, experts: moe.experts, attacked: attacked)
        }
    }

    /// The attack on the images of every training step, or nil where the method makes none.
    ///
    /// `fast` takes a single step, from a random start unless the configuration says otherwise (arXiv:2001.03994).
    package var trainingAttack: Attack? {
        switch training.method {
        case .standard, .free: return nil
        case .pgd, .mart: return attack.name == .none ? nil : attack
        case .trades, .advmoe:
            if attack.name == .none { return nil }
            var diverging = attack
            diverging.objective = .given(diverging.objective.or(.divergence))
            diverging.start = .given(diverging.start.or(.gaussian))
            return diverging
        case .fast:
            var single = attack
            single.steps = 1
            single.start = .given(single.start.or(.uniform))
            return single
        }
    }

    /// What images with the noise of free adversarial training are called in tables.
    var freeInputs: String {
        attack.id ?? "free-\(attack.norm.rawValue)-\(attack.radiusText)-\(training.methods.free.replays)"
    }
}

extension ConfigurationCondition where Section == RunConfiguration.Training {
    /// What belongs to one method.
    fileprivate static func method(_ method: RunConfiguration.Training.Method) -> ConfigurationCondition {
        ConfigurationCondition("training.method: \(method.rawValue)", hidesKey: true) { $0.method == method }
    }
}

extension Free.Settings: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey(
            "replays", \.replays, "update steps on each batch", .within(1...ConfigurationLimits.repetitions)),
        ConfigurationKey("replay_balance_factor", \.replayBalanceFactor, "factor of balancing losses", .atLeast(0)),
    ]
}

extension Trades.Settings: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("beta", \.beta, "weight of the divergence", .atLeast(0)),
        ConfigurationKey("statistics_updates", \.statisticsUpdates, "how often a step moves running statistics"),
    ]
}

extension Mart.Settings: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("beta", \.beta, "weight of the divergence", .atLeast(0))
    ]
}

extension RunConfiguration.Alternation: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("order", \.method.order, "which half of a step comes first"),
        ConfigurationKey("router_objective", \.method.routerObjective, "what routers minimize"),
        ConfigurationKey("beta", \.method.beta, "weight of divergences", .atLeast(0)),
        ConfigurationKey("alpha", \.method.alpha, "weight of the cross entropy of label-modulo", .atLeast(0)),
        ConfigurationKey("shared_batch", \.method.sharedBatch, "whether routers and experts see the same batch"),
        ConfigurationKey("shared_attack", \.method.sharedAttack, "whether one attack serves both halves of a step"),
        ConfigurationKey(
            "statistics_updates", \.method.statisticsUpdates, "how often a step moves running statistics"),
        ConfigurationKey("router_optimizer", \.routerOptimizer, "the routers' optimizer"),
        ConfigurationKey("router_schedule", \.routerSchedule, "the routers' learning rate over time"),
    ]
}

extension AdvMoE.Order: ConfigurationChoice {}
extension AdvMoE.RouterObjective: ConfigurationChoice {}
extension AdvMoE.StatisticsUpdates: ConfigurationChoice {}

extension RunConfiguration.Training.Method: ConfigurationChoice {}
