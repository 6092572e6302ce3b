extension RunConfiguration {
    /// The section `evaluation`.
    public struct Evaluation: Sendable, Equatable {
        /// Which images are evaluated.
        public enum Split: String, Sendable, ConfigurationChoice {
            /// The training images held back by `training.validation_fraction`.
            case validation
            case test
        }

        /// The attacks beside clean images; see `RunConfiguration.resolvedEvaluationAttacks` for an empty list.
        public var attacks: [Attack] = []
        /// Epochs of training between evaluations, at least 1.
        public var everyEpochs = 1
        /// Which images; nil means validation if there is one, as `RunConfiguration.resolvedEvaluationSplit` decides.
        public var split: Split?
        /// The first so many images, at least 1; nil means all.
        public var samples: Int?
        /// Images that are run together, at least 1, whatever the number of ranks.
        public var chunk = 64

        /// Makes the section with every default.
        public init() {}
    }

    /// The images that are evaluated: those asked for, else validation if there is one, else test.
    public var resolvedEvaluationSplit: Evaluation.Split {
        evaluation.split ?? (training.validationFraction > 0 ? .validation : .test)
    }

    /// The attacks that are evaluated beside clean images, which always are.
    ///
    /// An empty list means the attack of training with cross entropy as objective. Entries called `none` add nothing.
    public var resolvedEvaluationAttacks: [Attack] {
        var ofTraining = attack
        ofTraining.objective = .crossEntropy
        let attacks = evaluation.attacks.isEmpty ? [ofTraining] : evaluation.attacks
        return attacks.filter { $0.name != .none }
    }
}

extension RunConfiguration.Evaluation: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("attacks", \.attacks, "attacks beside clean images, with the keys of attack; []: that one"),
        ConfigurationKey("every_epochs", \.everyEpochs, "epochs between evaluations", .atLeast(1)),
        ConfigurationKey("split", \.split, "which images; null: validation if there is one, else test"),
        ConfigurationKey("samples", \.samples, "the first so many images; null: all", .ifGiven(.atLeast(1))),
        ConfigurationKey("chunk", \.chunk, "images that are run together", .atLeast(1)),
    ]
}
