import Training

extension OptimizerSettings: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("name", \.name, "the rule of the step"),
        ConfigurationKey("rate", \.rate, "the learning rate at its highest", .above(0)),
        ConfigurationKey(
            "rate_per_images", \.ratePerImages,
            "global batch that the rate is meant for, another one scales it in proportion; null: any",
            .ifGiven(.within(1...ConfigurationLimits.batch))),
        ConfigurationKey(
            "momentum", \.momentum, "share of the last step, or of the gradient's first moment, that is kept",
            .within(0..<1)),
        ConfigurationKey(
            "second_momentum", \.secondMomentum, "share of the gradient's second moment that is kept",
            .within(0..<1), onlyWhere: .isAdaptive),
        ConfigurationKey(
            "epsilon", \.epsilon,
            "what keeps denominators from 0; null: 1e-9 for lars, 1e-6 for lamb, 1e-8 for adam and adamw",
            .ifGiven(.above(0)),
            onlyWhere: ConfigurationCondition("name other than sgd", hidesKey: true) { $0.name != .sgd }),
        ConfigurationKey(
            "bias_correction", \.biasCorrection, "whether lamb corrects its moments for their zero start",
            onlyWhere: .name(.lamb)),
        ConfigurationKey(
            "trust_coefficient", \.trustCoefficient, "factor of lars' ratio of norms", .above(0),
            onlyWhere: .name(.lars)),
        ConfigurationKey(
            "trust_exclude", \.trustExclude, "parameters whose rate no ratio of norms scales", .each(.notEmpty),
            onlyWhere: ConfigurationCondition("name: lars or lamb", hidesKey: true) { $0.name.isLayerwise }),
        ConfigurationKey("nesterov", \.nesterov, "whether the gradient is added to the momentum once more"),
        ConfigurationKey(
            "weight_decay", \.weightDecay,
            "factor of the weights added to the gradient, or to the step of lamb and adamw", .atLeast(0)),
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
        ConfigurationKey(
            "peak", \.peak, "share of the time at which cyclic is highest", .within(0.001...0.999),
            onlyWhere: ConfigurationCondition("name: cyclic", hidesKey: true) { $0.name == .cyclic }),
        ConfigurationKey("power", \.power, "exponent of poly", .above(0), onlyWhere: .name(.poly)),
        ConfigurationKey(
            "milestones", \.milestones, "epochs at which step multiplies the rate",
            .increasing(within: 1...ConfigurationLimits.epochs, atMost: ConfigurationLimits.elements),
            onlyWhere: .name(.step)),
        ConfigurationKey("gamma", \.gamma, "factor of step", .above(0), onlyWhere: .name(.step)),
        ConfigurationKey("minimum_rate", \.minimumRate, "the rate that is approached at the end", .atLeast(0)),
    ]
}

extension ConfigurationCondition where Section == OptimizerSettings {
    /// What belongs to one rule.
    fileprivate static func name(_ name: OptimizerName) -> ConfigurationCondition {
        ConfigurationCondition("name: \(name.rawValue)", hidesKey: true) { $0.name == name }
    }

    /// What belongs to rules with second moments.
    fileprivate static var isAdaptive: ConfigurationCondition {
        ConfigurationCondition("name: lamb, adam or adamw", hidesKey: true) { $0.name.isAdaptive }
    }
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
