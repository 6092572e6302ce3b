import Attacks

extension RunConfiguration {
    /// The section `evaluation`.
    package struct Evaluation: Sendable, Equatable {
        /// Which images are evaluated.
        package enum Split: String, Sendable, ConfigurationChoice {
            /// The training images held back by `training.validation_fraction`.
            case validation
            case test
        }

        /// Which weights of a checkpoint `evaluate` and `experts` look at.
        package enum Weights: String, Sendable, ConfigurationChoice {
            /// The weights themselves.
            case raw
            /// Their moving average, which a run with `training.weight_average` keeps.
            case average
        }

        /// The attacks beside clean images; nil means that of training, see `RunConfiguration.resolvedEvaluationAttacks`, and
        /// an empty list none.
        package var attacks: [Attack]?
        /// What the random draws of attacks are drawn from; nil means `training.seed`.
        package var seed: UInt64?
        /// Epochs of training between evaluations, at least 1.
        package var everyEpochs = 1
        /// Epochs of training between evaluations that attack, at least 0; 0 means after the last one, nil all of them.
        package var attacksEveryEpochs: Int?
        /// Numbers of steps that every attack with steps is run with, rising from at least 1; nil means its own.
        package var steps: [Int]?
        /// Radii that every attack is run with, rising from at least 0, step sizes in proportion; nil means its own.
        package var epsilons: [Double]?
        /// Which weights are evaluated; in training always both.
        package var weights = Weights.raw
        /// The run, or checkpoint, with whose masks `evaluate` compares the channels that images run through; nil means none.
        package var masks: String?
        /// Which images; nil means validation if there is one, as `RunConfiguration.resolvedEvaluationSplit` decides.
        package var split: Split?
        /// The first so many images, at least 1; nil means all.
        package var samples: Int?
        /// Images that are trained on and are evaluated beside the others, under the first attack, at least 0.
        package var probeSamples = 0
        /// Images that are run together, at least 1, whatever the number of ranks.
        ///
        /// Which algorithm computes a convolution depends on how many images it meets (`ConvolutionAlgorithm.chosen`), so
        /// another chunk may change losses by rounding, in the sixth digit.
        package var chunk = 64
        /// The time after which `evaluate` and `experts` end, with what is finished kept; nil means never.
        package var timeLimit: TimeLimit?
        /// Whether `evaluate` tries every attack by gradients at other radii too, on the first chunk, and looks at the losses
        /// around its images, for red flags.
        package var checks = false

        /// Whether `evaluate` writes what each attack made of the images.
        package var writeImages = false
        /// The layer that moves images before the network sees them.
        package var antiAdversary = AntiAdversary()

        /// Makes the section with every default.
        package init() {}
    }

    /// The part `evaluation.anti_adversary`: see `Attacks.AntiAdversary`.
    package struct AntiAdversary: Sendable, Equatable {
        /// Steps of each image, at least 0; 0 means that there is no such layer.
        package var steps = 0
        /// How far a step goes, for images in [0, 1].
        package var stepSize = 0.15

        /// Makes the section with every default.
        package init() {}
    }

    /// What moves images before an evaluated network sees them, if anything.
    package var antiAdversary: Attacks.AntiAdversary? {
        let layer = evaluation.antiAdversary
        return layer.steps > 0 ? Attacks.AntiAdversary(steps: layer.steps, stepSize: Float(layer.stepSize)) : nil
    }

    /// What the random draws of evaluations' attacks are drawn from.
    package var evaluationSeed: UInt64 { evaluation.seed ?? training.seed }

    /// The images that are evaluated: those asked for, else validation if there is one, else test.
    package var resolvedEvaluationSplit: Evaluation.Split {
        evaluation.split ?? (training.validationFraction > 0 ? .validation : .test)
    }
}

extension RunConfiguration.Evaluation: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey(
            "attacks", \.attacks, "attacks beside clean images, with the keys of attack; null: that one, []: none"),
        ConfigurationKey("seed", \.seed, "what attacks' random numbers are drawn from; null: training.seed"),
        ConfigurationKey(
            "every_epochs", \.everyEpochs, "epochs between evaluations", .within(1...ConfigurationLimits.epochs)),
        ConfigurationKey(
            "attacks_every_epochs", \.attacksEveryEpochs,
            "epochs between evaluations that attack; 0: only after the last; null: all",
            .ifGiven(.within(0...ConfigurationLimits.epochs))),
        ConfigurationKey(
            "steps", \.steps, "numbers of steps to run every attack with; null: its own",
            .ifGiven(.increasing(within: 1...ConfigurationLimits.repetitions, atMost: ConfigurationLimits.elements))),
        ConfigurationKey(
            "epsilons", \.epsilons, "radii to run every attack with, steps in proportion; null: its own",
            .ifGiven(.increasing(within: 0...ConfigurationLimits.radius, atMost: ConfigurationLimits.elements))),
        ConfigurationKey("weights", \.weights, "the weights, or their average, for evaluate and experts"),
        ConfigurationKey(
            "masks", \.masks, "run or checkpoint whose masks pathways are compared with; null: none",
            .ifGiven(.path)),
        ConfigurationKey("split", \.split, "which images; null: validation if there is one, else test"),
        ConfigurationKey(
            "samples", \.samples, "the first so many images; null: all",
            .ifGiven(.within(1...ConfigurationLimits.images))),
        ConfigurationKey(
            "probe_samples", \.probeSamples,
            "in training: images trained on that are evaluated too, under the first attack, to see overfitting; 0: none",
            .within(0...ConfigurationLimits.images)),
        ConfigurationKey(
            "chunk", \.chunk, "images that are run together; another number may round losses otherwise",
            .within(1...ConfigurationLimits.batch)),
        ConfigurationKey(
            "time_limit", \.timeLimit,
            "time after which evaluate and experts end, with exit code 75; training has its own"),
        ConfigurationKey(
            "checks", \.checks, "evaluate: try attacks at radii of 0, a large one and none, on one chunk, for red flags"
        ),
        ConfigurationKey("write_images", \.writeImages, "whether evaluate writes what each attack made of the images"),
        ConfigurationKey(
            "anti_adversary", \.antiAdversary, "steps away from attacks before the network sees an image, in evaluate"),
    ]
}

extension RunConfiguration.AntiAdversary: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey(
            "steps", \.steps, "steps towards the class given; 0: none", .within(0...ConfigurationLimits.repetitions)),
        ConfigurationKey(
            "step_size", \.stepSize, "length of a step, for images in [0, 1]", .within(0...ConfigurationLimits.radius),
            onlyWhere: ConfigurationCondition("steps above 0") { $0.steps > 0 }),
    ]
}
