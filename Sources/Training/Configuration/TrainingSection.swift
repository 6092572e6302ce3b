extension RunConfiguration {
    /// The section `training`: how the network is trained.
    public struct Training: Sendable, Equatable {
        /// What a step minimises.
        public enum Method: String, Sendable, ConfigurationChoice {
            /// The loss on clean images.
            case standard
            /// The loss on images that the section `attack` has changed (Madry et al., arXiv 1706.06083).
            case pgd
        }

        /// What a step minimises.
        public var method = Method.standard
        /// Passes over the training images, at least 1; schedules span them.
        public var epochs = 100
        /// Images of a step over all ranks, at least 1.
        public var globalBatch = 128
        /// What all random numbers are drawn from.
        public var seed: UInt64 = 12345
        /// The optimizer.
        public var optimizer = Optimizer()
        /// The learning rate over time.
        public var schedule = Schedule()
        /// The share of the training images that is held back for validation, at least 0 and below 1.
        public var validationFraction = 0.0
        /// Steps between checkpoints, at least 1; nil means only at the end of an epoch, where there always is one.
        public var checkpointEvery: Int?
        /// Checkpoints that are kept, at least 1.
        public var keep = 2
        /// The global number of the step after which this invocation ends with a checkpoint, at least 1.
        public var stopAfterSteps: Int?
        /// The time after which this invocation ends with a checkpoint.
        public var timeLimit: TimeLimit?

        /// Makes the section with every default.
        public init() {}
    }

    /// The part `training.optimizer`.
    public struct Optimizer: Sendable, Equatable {
        /// The rule of the step.
        public enum Name: String, Sendable, ConfigurationChoice {
            /// Stochastic gradient descent with momentum.
            case sgd
        }

        /// The rule of the step.
        public var name = Name.sgd
        /// The learning rate at its highest, above 0.
        public var rate = 0.1
        /// The share of the last step that is kept, at least 0 and below 1.
        public var momentum = 0.9
        /// Whether the gradient is added to the momentum once more; needs a momentum above 0.
        public var nesterov = false
        /// The factor of the weights that is added to the gradient, at least 0.
        public var weightDecay = 5e-4
        /// The parameters that do not decay, as patterns of names.
        public var decayExclude: [String] = []

        /// Makes the part with every default.
        public init() {}
    }

    /// The part `training.schedule`: the learning rate over time.
    public struct Schedule: Sendable, Equatable {
        /// The curve after the warm-up.
        public enum Name: String, Sendable, ConfigurationChoice {
            case cosine
            case poly
            case step
            case constant
        }

        /// The curve after the warm-up.
        public var name = Name.cosine
        /// Epochs, at least 0, in which the rate rises linearly.
        public var warmupEpochs = 0.0
        /// The exponent of `poly`, above 0.
        public var power = 0.9
        /// The epochs, rising from at least 1, at which `step` multiplies the rate by `gamma`.
        public var milestones: [Int] = []
        /// The factor of `step`, above 0.
        public var gamma = 0.1
        /// The rate that is approached at the end, at least 0 and at most the optimizer's.
        public var minimumRate = 0.0

        /// Makes the part with every default.
        public init() {}
    }

    /// A length of time, written as seconds, `mm:ss` or `h:mm:ss`.
    public struct TimeLimit: Sendable, Equatable {
        /// The time in seconds, above 0.
        public var seconds: Double

        /// Makes a length of time.
        /// - Parameter seconds: The time in seconds, above 0.
        public init(seconds: Double) {
            self.seconds = seconds
        }
    }
}

extension RunConfiguration.TimeLimit: ScalarValue {
    static var noun: String { "seconds above 0, mm:ss or h:mm:ss" }
    var written: ConfigurationNode { seconds.written }

    init?(text: String, plain: Bool) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 1 {
            guard let seconds = Double(text: text, plain: plain), seconds > 0 else { return nil }
            self.init(seconds: seconds)
            return
        }
        let numbers = parts.compactMap { part in part.allSatisfy(\.isWholeNumber) ? Int(part) : nil }
        guard numbers.count == parts.count, numbers.count <= 3, numbers.dropFirst().allSatisfy({ $0 < 60 }) else {
            return nil
        }
        let seconds = numbers.reduce(0.0) { $0 * 60 + Double($1) }
        guard seconds > 0 else { return nil }
        self.init(seconds: seconds)
    }
}

extension RunConfiguration.Training: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("method", \.method, "what a step minimises"),
        ConfigurationKey("epochs", \.epochs, "passes over the training images", .atLeast(1)),
        ConfigurationKey("global_batch", \.globalBatch, "images of a step over all ranks", .atLeast(1)),
        ConfigurationKey("seed", \.seed, "what all random numbers are drawn from"),
        ConfigurationKey("optimizer", \.optimizer, "the optimizer"),
        ConfigurationKey("schedule", \.schedule, "the learning rate over time"),
        ConfigurationKey(
            "validation_fraction", \.validationFraction, "share of the training images held back", .within(0..<1)),
        ConfigurationKey(
            "checkpoint_every", \.checkpointEvery, "steps between checkpoints; always at an epoch's end",
            .ifGiven(.atLeast(1))),
        ConfigurationKey("keep", \.keep, "checkpoints that are kept", .atLeast(1)),
        ConfigurationKey(
            "stop_after_steps", \.stopAfterSteps, "global step after which this invocation ends, with exit code 75",
            .ifGiven(.atLeast(1))),
        ConfigurationKey(
            "time_limit", \.timeLimit, "time after which this invocation ends, with exit code 75"),
    ]
}

extension RunConfiguration.Optimizer: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("name", \.name, "the rule of the step"),
        ConfigurationKey("rate", \.rate, "the learning rate at its highest", .above(0)),
        ConfigurationKey("momentum", \.momentum, "share of the last step that is kept", .within(0..<1)),
        ConfigurationKey("nesterov", \.nesterov, "whether the gradient is added to the momentum once more"),
        ConfigurationKey("weight_decay", \.weightDecay, "factor of the weights added to the gradient", .atLeast(0)),
        ConfigurationKey(
            "decay_exclude", \.decayExclude, "parameters that do not decay", .each(.notEmpty)),
    ]
}

extension RunConfiguration.Schedule: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("name", \.name, "the curve after the warm-up"),
        ConfigurationKey("warmup_epochs", \.warmupEpochs, "epochs of linear rise", .atLeast(0)),
        ConfigurationKey("power", \.power, "exponent of poly", .above(0)),
        ConfigurationKey("milestones", \.milestones, "epochs at which step multiplies the rate", .increasing(from: 1)),
        ConfigurationKey("gamma", \.gamma, "factor of step", .above(0)),
        ConfigurationKey("minimum_rate", \.minimumRate, "the rate that is approached at the end", .atLeast(0)),
    ]
}
