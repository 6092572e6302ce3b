import Networks

extension RunConfiguration {
    /// The section `model`: the network.
    package struct Model: Sendable, Equatable {
        /// What is subtracted from and divided out of images in [0, 1], inside the model.
        package enum Normalization: String, Sendable, ConfigurationChoice {
            /// The published mean and deviation of the data set.
            case dataset
            /// Nothing.
            case none
        }

        /// The backbone.
        package var architecture = ArchitectureName.resnet18
        /// What stands before the first stage.
        package var stem = NetworkSettings.Stem.cifar
        /// Channels of the first stage (of a DenseNet: of the stem), at least 1, which scale all others; nil means the
        /// architecture's own.
        package var width: Int?
        /// What every number of channels is multiplied by, above 0 and at most 1, and then truncated.
        package var ratio = 1.0
        /// What images are normalised by.
        package var normalize = Normalization.dataset
        /// Whether pre-activation blocks that change the channels skip their first batch norm and ReLU, as the released
        /// AdvMoE code does by mistake; other architectures have no such block.
        package var skipFirstActivation = false
        /// How first weights are drawn; presets set what their reference does.
        package var initialization = Initialization.pytorch
        /// The run, or checkpoint, whose masks the network is pruned by; nil means it is whole.
        ///
        /// Its own checkpoints hold the masks, and need that one no more.
        package var masks: String?

        /// Makes the section with every default.
        package init() {}
    }
}

extension RunConfiguration.Model: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("architecture", \.architecture, "the backbone"),
        ConfigurationKey("stem", \.stem, "what stands before the first stage"),
        ConfigurationKey(
            "width", \.width, "channels of the first stage; null: the architecture's own",
            .ifGiven(.within(1...NetworkLimits.width))),
        ConfigurationKey(
            "ratio", \.ratio, "factor of all numbers of channels, truncated", .above(0, atMost: 1)),
        ConfigurationKey("normalize", \.normalize, "what images are normalised by, inside the model"),
        ConfigurationKey(
            "skip_first_activation", \.skipFirstActivation,
            "pre-activation blocks that change the channels skip their first batch norm and ReLU"),
        ConfigurationKey("initialization", \.initialization, "how first weights are drawn"),
        ConfigurationKey(
            "masks", \.masks, "run or checkpoint whose masks prune the network; null: it is whole", .ifGiven(.path)),
    ]
}

extension ArchitectureName: ConfigurationChoice {}
extension NetworkSettings.Stem: ConfigurationChoice {}
extension Initialization: ConfigurationChoice {}
