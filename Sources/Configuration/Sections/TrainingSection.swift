import Networks

extension RunConfiguration {
    /// The section `training`: how the network is trained.
    package struct Training: Sendable, Equatable {
        /// What a step minimises.
        package enum Method: String, Sendable, ConfigurationChoice {
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
            /// Updates of routers and experts in turn, each by an attack of its own (Zhang et al., arXiv 2308.10110).
            case advmoe
        }

        /// What is trained.
        package enum Parameters: String, Sendable, ConfigurationChoice {
            case all
            /// Routers alone.
            case router
            /// Everything but routers.
            case experts
            /// Scores of filters, by which a network is pruned, and batch norms; weights stand still.
            case scores
        }

        /// Which half of a step of `advmoe` comes first.
        package enum Order: String, Sendable, ConfigurationChoice {
            case routerFirst = "router-first"
            case expertsFirst = "experts-first"
        }

        /// What routers minimise in `advmoe`.
        package enum RouterObjective: String, Sendable, ConfigurationChoice {
            /// What experts do: the loss of `trades`.
            case trades
            /// `alpha` times the cross entropy of the router's choice with the label modulo the experts, plus `beta`
            /// times the divergence of its scores under attack.
            case labelModulo = "label-modulo"
        }

        /// How often a step of `advmoe` moves running statistics.
        package enum StatisticsUpdates: String, Sendable, ConfigurationChoice {
            /// Once for each batch that a training pass sees.
            case once
            /// As often as the published code does, which computes some passes twice.
            case published
        }

        /// What a step minimises.
        package var method = Method.standard
        /// Passes over the training images, at least 1; schedules span them.
        package var epochs = 100
        /// Images of a step over all ranks, at least 1.
        package var globalBatch = 128
        /// Images that a rank runs at once, at least 1, and by whose moments batch norm normalises them; nil means all.
        package var microBatch: Int?
        /// What all random numbers are drawn from.
        package var seed: UInt64 = 12345
        /// The checkpoint, or run, whose weights a new run begins with; nil means random ones.
        package var initialCheckpoint: String?
        /// The update steps that `free` takes on each batch, at least 1.
        package var replays = 4
        /// The factor of balancing losses in `free`, at least 0; 2 counts them twice, as a reference does.
        package var replayBalanceFactor = 1.0
        /// The decay of the moving average of the weights, at least 0 and below 1; nil means no average is kept.
        package var weightAverage: Double?
        /// What is trained.
        package var parameters = Parameters.all
        /// The share of each convolution's filters that `parameters: scores` keeps, above 0 and at most 1.
        package var filterShare = 0.5
        /// The weight of the divergence in `trades` and `advmoe`, at least 0.
        package var beta = 6.0
        /// The weight of the cross entropy of `router_objective: label-modulo`, at least 0.
        package var alpha = 6.0
        /// Which half of a step of `advmoe` comes first.
        package var order = Order.routerFirst
        /// What routers minimise in `advmoe`.
        package var routerObjective = RouterObjective.trades
        /// Whether routers and experts are updated by the same batch in `advmoe`; otherwise routers draw their own.
        package var sharedBatch = false
        /// Whether one attack, before both halves, serves them in `advmoe`.
        package var sharedAttack = false
        /// How often a step of `advmoe` moves running statistics.
        package var statisticsUpdates = StatisticsUpdates.once
        /// The optimizer; in `advmoe`, of everything but routers.
        package var optimizer = Optimizer()
        /// The learning rate over time.
        package var schedule = Schedule()
        /// The routers' optimizer in `advmoe`.
        package var routerOptimizer = Optimizer()
        /// The routers' learning rate over time in `advmoe`.
        package var routerSchedule = Schedule()
        /// The share of the training images that is held back for validation, at least 0 and below 1.
        package var validationFraction = 0.0
        /// Steps between checkpoints, at least 1; nil means only at the end of an epoch, where there always is one.
        package var checkpointEvery: Int?
        /// Checkpoints that are kept, at least 1.
        package var keep = 2
        /// The global number of the step after which this invocation ends with a checkpoint, at least 1.
        package var stopAfterSteps: Int?
        /// The time after which this invocation ends with a checkpoint.
        package var timeLimit: TimeLimit?

        /// Makes the section with every default.
        package init() {}
    }

    /// The part `training.optimizer`.
    package struct Optimizer: Sendable, Equatable {
        /// The rule of the step.
        package enum Name: String, Sendable, ConfigurationChoice {
            /// Stochastic gradient descent with momentum.
            case sgd
        }

        /// The rule of the step.
        package var name = Name.sgd
        /// The learning rate at its highest, above 0.
        package var rate = 0.1
        /// The share of the last step that is kept, at least 0 and below 1.
        package var momentum = 0.9
        /// Whether the gradient is added to the momentum once more; needs a momentum above 0.
        package var nesterov = false
        /// The factor of the weights that is added to the gradient, at least 0.
        package var weightDecay = 5e-4
        /// The parameters that do not decay, as patterns of names.
        package var decayExclude: [String] = []
        /// The Euclidean norm, above 0, that the gradient of a step is scaled down to where it is longer; nil means never.
        package var clipNorm: Double?

        /// Makes the part with every default.
        package init() {}
    }

    /// The part `training.schedule`: the learning rate over time.
    package struct Schedule: Sendable, Equatable {
        /// The curve after the warm-up.
        package enum Name: String, Sendable, ConfigurationChoice {
            case cosine
            case poly
            case step
            case constant
        }

        /// How often the rate changes.
        package enum Granularity: String, Sendable, ConfigurationChoice {
            /// At every step.
            case step
            /// At every epoch, to the rate of its first step.
            case epoch
        }

        /// How warm-up and curve go together.
        package enum Warmup: String, Sendable, ConfigurationChoice {
            /// The curve begins where the warm-up ends.
            case before
            /// The curve begins at once and is multiplied by a factor that rises from 0.01, as chained schedulers do.
            case product
        }

        /// The curve after the warm-up.
        package var name = Name.cosine
        /// How often the rate changes.
        package var per = Granularity.step
        /// How warm-up and curve go together.
        package var warmup = Warmup.before
        /// Epochs, at least 0, in which the rate rises linearly.
        package var warmupEpochs = 0.0
        /// Epochs, at least 0, by which the curve of `cosine` lags behind.
        package var lagEpochs = 0.0
        /// The exponent of `poly`, above 0.
        package var power = 0.9
        /// The epochs, rising from at least 1, at which `step` multiplies the rate by `gamma`.
        package var milestones: [Int] = []
        /// The factor of `step`, above 0.
        package var gamma = 0.1
        /// The rate that is approached at the end, at least 0 and at most the optimizer's.
        package var minimumRate = 0.0

        /// Makes the part with every default.
        package init() {}
    }

    /// A length of time, written as seconds, `mm:ss` or `h:mm:ss`.
    package struct TimeLimit: Sendable, Equatable {
        /// The time in seconds, above 0.
        package var seconds: Double

        /// Makes a length of time.
        /// - Parameter seconds: The time in seconds, above 0.
        package init(seconds: Double) {
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
        ConfigurationKey(
            "micro_batch", \.microBatch, "images that a rank runs at once; null: all", .ifGiven(.atLeast(1))),
        ConfigurationKey("seed", \.seed, "what all random numbers are drawn from"),
        ConfigurationKey(
            "initial_checkpoint", \.initialCheckpoint, "checkpoint or run whose weights a new run begins with",
            .ifGiven(.notEmpty)),
        ConfigurationKey("replays", \.replays, "update steps that free takes on each batch", .atLeast(1)),
        ConfigurationKey(
            "replay_balance_factor", \.replayBalanceFactor, "factor of balancing losses in free", .atLeast(0)),
        ConfigurationKey(
            "weight_average", \.weightAverage, "decay of a moving average of the weights; null: none is kept",
            .ifGiven(.within(0..<1))),
        ConfigurationKey("parameters", \.parameters, "what is trained"),
        ConfigurationKey(
            "filter_share", \.filterShare, "share of each convolution's filters that parameters: scores keeps", .unit),
        ConfigurationKey("beta", \.beta, "weight of the divergence in trades and advmoe", .atLeast(0)),
        ConfigurationKey("alpha", \.alpha, "weight of the cross entropy of label-modulo", .atLeast(0)),
        ConfigurationKey("order", \.order, "which half of a step of advmoe comes first"),
        ConfigurationKey("router_objective", \.routerObjective, "what routers minimise in advmoe"),
        ConfigurationKey("shared_batch", \.sharedBatch, "whether routers and experts see the same batch in advmoe"),
        ConfigurationKey("shared_attack", \.sharedAttack, "whether one attack serves both halves of a step of advmoe"),
        ConfigurationKey(
            "statistics_updates", \.statisticsUpdates, "how often a step of advmoe moves running statistics"),
        ConfigurationKey("optimizer", \.optimizer, "the optimizer; in advmoe, of everything but routers"),
        ConfigurationKey("schedule", \.schedule, "the learning rate over time"),
        ConfigurationKey("router_optimizer", \.routerOptimizer, "the routers' optimizer in advmoe"),
        ConfigurationKey("router_schedule", \.routerSchedule, "the routers' learning rate over time in advmoe"),
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
        ConfigurationKey(
            "clip_norm", \.clipNorm, "norm that longer gradients are scaled down to", .ifGiven(.above(0))),
    ]
}

extension RunConfiguration.Schedule: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("name", \.name, "the curve after the warm-up"),
        ConfigurationKey("per", \.per, "how often the rate changes"),
        ConfigurationKey("warmup", \.warmup, "how warm-up and curve go together"),
        ConfigurationKey("warmup_epochs", \.warmupEpochs, "epochs of linear rise", .atLeast(0)),
        ConfigurationKey("lag_epochs", \.lagEpochs, "epochs by which the curve of cosine lags behind", .atLeast(0)),
        ConfigurationKey("power", \.power, "exponent of poly", .above(0)),
        ConfigurationKey("milestones", \.milestones, "epochs at which step multiplies the rate", .increasing(from: 1)),
        ConfigurationKey("gamma", \.gamma, "factor of step", .above(0)),
        ConfigurationKey("minimum_rate", \.minimumRate, "the rate that is approached at the end", .atLeast(0)),
    ]
}
