import Training
import Weights

extension RunConfiguration {
    /// The section `training`: how the network is trained.
    package struct Training: Sendable, Equatable {
        /// What a step minimizes.
        package var method = Method.standard
        /// Passes over the training images, at least 1; schedules span them.
        package var epochs = 100
        /// Images of a step over all ranks, at least 1.
        package var globalBatch = 128
        /// Images that a rank runs at once, at least 1, and by whose moments batch norm normalises them; nil means all.
        package var microBatch: Int?
        /// What all random numbers are drawn from.
        package var seed: UInt64 = 12345
        /// The checkpoint, run or file whose weights a new run begins with; nil means random ones.
        package var initialCheckpoint: String?
        /// Whose names the tensors of `initialCheckpoint` have, if it is a file.
        package var initialLayout = CheckpointLayout.robustmoe
        /// The decay of the moving average of the weights, at least 0 and below 1; nil means no average is kept.
        package var weightAverage: Double?
        /// What the run does about a step in which a value is not finite.
        package var onNonFinite = NonFinitePolicy.stop
        /// How many times the median of the updates before a gradient's norm is worth a warning, above 1; nil means never.
        package var normAlarm: Double? = 10
        /// What is trained.
        package var parameters = TrainedParameters.all
        /// The factor of the clean images' loss beside the attacked ones', at least 0.
        package var cleanWeight = 0.0
        /// The optimizer; in `advmoe`, of everything but routers.
        package var optimizer = OptimizerSettings()
        /// The learning rate over time.
        package var schedule = ScheduleSettings()
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
        /// The settings that belong to one method each.
        package var methods = MethodSettings()
        /// The settings of `parameters: scores`.
        package var scores = Scores()

        /// Makes the section with every default.
        package init() {}
    }

    /// The part `training.scores`.
    package struct Scores: Sendable, Equatable {
        /// The share of each convolution's filters that is kept, above 0 and at most 1.
        package var filterShare = 0.5

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
    static let keys: [ConfigurationKey<Self>] =
        [
            ConfigurationKey("method", \.method, "what a step minimizes"),
            ConfigurationKey(
                "epochs", \.epochs, "passes over the training images", .within(1...ConfigurationLimits.epochs)),
            ConfigurationKey(
                "global_batch", \.globalBatch, "images of a step over all ranks",
                .within(1...ConfigurationLimits.batch)),
            ConfigurationKey(
                "micro_batch", \.microBatch, "images that a rank runs at once; null: all",
                .ifGiven(.within(1...ConfigurationLimits.batch))),
            ConfigurationKey("seed", \.seed, "what all random numbers are drawn from"),
            ConfigurationKey(
                "initial_checkpoint", \.initialCheckpoint,
                "checkpoint, run or safetensors file whose weights a new run begins with; null: random ones",
                .ifGiven(.path)),
            ConfigurationKey(
                "initial_layout", \.initialLayout,
                "whose names the tensors of initial_checkpoint have, if it is a file",
                onlyWhere: ConfigurationCondition("a training.initial_checkpoint") { $0.initialCheckpoint != nil }),
            ConfigurationKey(
                "weight_average", \.weightAverage, "decay of a moving average of the weights; null: none is kept",
                .ifGiven(.within(0..<1))),
            ConfigurationKey(
                "on_nonfinite", \.onNonFinite,
                "what a run does about a loss, score or gradient that is not finite: end, skip the step, or go back to its newest "
                    + "checkpoint (the second time without the step)"),
            ConfigurationKey(
                "norm_alarm", \.normAlarm,
                "how many times the median of the last 100 a gradient's norm is worth a warning; null: never",
                .ifGiven(.above(1, atMost: ConfigurationLimits.radius))),
            ConfigurationKey("parameters", \.parameters, "what is trained"),
            ConfigurationKey(
                "clean_weight", \.cleanWeight, "factor of the clean images' loss beside the attacked ones'",
                .atLeast(0),
                onlyWhere: ConfigurationCondition("training.method: pgd or fast", hidesKey: true) {
                    [.pgd, .fast].contains($0.method)
                }),
            ConfigurationKey("optimizer", \.optimizer, "the optimizer; in advmoe, of everything but routers"),
            ConfigurationKey("schedule", \.schedule, "the learning rate over time"),
            ConfigurationKey(
                "validation_fraction", \.validationFraction, "share of the training images held back", .within(0..<1)),
            ConfigurationKey(
                "checkpoint_every", \.checkpointEvery, "steps between checkpoints; always at an epoch's end",
                .ifGiven(.within(1...ConfigurationLimits.steps))),
            ConfigurationKey("keep", \.keep, "checkpoints that are kept", .within(1...ConfigurationLimits.checkpoints)),
            ConfigurationKey(
                "stop_after_steps", \.stopAfterSteps, "global step after which this invocation ends, with exit code 75",
                .ifGiven(.within(1...ConfigurationLimits.steps))),
            ConfigurationKey(
                "time_limit", \.timeLimit, "time after which this invocation ends, with exit code 75"),
        ] + methodSections + [
            ConfigurationKey(
                "scores", \.scores, "settings of parameters: scores",
                onlyWhere: ConfigurationCondition("training.parameters: scores", hidesKey: true) {
                    $0.parameters == .scores
                })
        ]
}

extension RunConfiguration.Scores: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey(
            "filter_share", \.filterShare, "share of each convolution's filters that is kept", .unit)
    ]
}

extension TrainedParameters: ConfigurationChoice {}
extension NonFinitePolicy: ConfigurationChoice {}
extension CheckpointLayout: ConfigurationChoice {}
