import Training

extension OptimizerSettings: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("name", \.name, "the rule of the step"),
        ConfigurationKey("rate", \.rate, "the learning rate at its highest", .above(0)),
        ConfigurationKey("momentum", \.momentum, "share of the last step that is kept", .within(0..<1)),
        ConfigurationKey("nesterov", \.nesterov, "whether the gradient is added to the momentum once more"),
        ConfigurationKey("weight_decay", \.weightDecay, "factor of the weights added to the gradient", .atLeast(0)),
        ConfigurationKey(
            "decay_exclude", \.decayExclude, "parameters that do not decay", .each(.notEmpty)),
        ConfigurationKey(
            "clip_norm", \.clipNorm, "norm that longer gradients are scaled down to", .ifGiven(.above(0))),
    ]
}

extension ScheduleSettings: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("name", \.name, "the curve after the warm-up"),
        ConfigurationKey("per", \.per, "how often the rate changes"),
        ConfigurationKey("warmup", \.warmup, "how warm-up and curve go together"),
        ConfigurationKey(
            "warmup_epochs", \.warmupEpochs, "epochs of linear rise",
            .within(0...Double(ConfigurationLimits.epochs))),
        ConfigurationKey(
            "lag_epochs", \.lagEpochs, "epochs by which the curve of cosine lags behind",
            .within(0...Double(ConfigurationLimits.epochs)), onlyWhere: .name(.cosine)),
        ConfigurationKey("power", \.power, "exponent of poly", .above(0), onlyWhere: .name(.poly)),
        ConfigurationKey(
            "milestones", \.milestones, "epochs at which step multiplies the rate",
            .increasing(within: 1...ConfigurationLimits.epochs, atMost: ConfigurationLimits.elements),
            onlyWhere: .name(.step)),
        ConfigurationKey("gamma", \.gamma, "factor of step", .above(0), onlyWhere: .name(.step)),
        ConfigurationKey("minimum_rate", \.minimumRate, "the rate that is approached at the end", .atLeast(0)),
    ]
}

extension ConfigurationCondition where Section == ScheduleSettings {
    /// What belongs to one curve.
    fileprivate static func name(_ name: ScheduleSettings.Name) -> ConfigurationCondition {
        ConfigurationCondition("name: \(name.rawValue)") { $0.name == name }
    }
}

extension OptimizerName: ConfigurationChoice {}
extension ScheduleSettings.Name: ConfigurationChoice {}
extension ScheduleSettings.Granularity: ConfigurationChoice {}
extension ScheduleSettings.Warmup: ConfigurationChoice {}
