import Attacks
import Training

extension Free.Settings: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("replays", \.replays, "update steps on each batch", .atLeast(1)),
        ConfigurationKey("replay_balance_factor", \.replayBalanceFactor, "factor of balancing losses", .atLeast(0)),
    ]
}

extension Trades.Settings: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("beta", \.beta, "weight of the divergence", .atLeast(0))
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

extension RunConfiguration.Scores: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey(
            "filter_share", \.filterShare, "share of each convolution's filters that is kept", .unit)
    ]
}

extension AdvMoE.Order: ConfigurationChoice {}
extension AdvMoE.RouterObjective: ConfigurationChoice {}
extension AdvMoE.StatisticsUpdates: ConfigurationChoice {}
