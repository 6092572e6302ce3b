extension RunConfiguration {
    /// The section `model`: the network.
    public struct Model: Sendable, Equatable {
        /// The backbone.
        public enum Architecture: String, Sendable, ConfigurationChoice {
            case resnet18
            case resnet34
            case resnet50
            case resnet101
            case wideResnet50 = "wrn-50-2"
            case wideResnet101 = "wrn-101-2"
        }

        /// What stands before the first stage.
        public enum Stem: String, Sendable, ConfigurationChoice {
            /// One 3×3 convolution of stride 1, for images of about 32×32.
            case cifar
            /// One 7×7 convolution of stride 2, then 3×3 max-pooling of stride 2.
            case imagenet
        }

        /// What is subtracted from and divided out of images in [0, 1], inside the model.
        public enum Normalization: String, Sendable, ConfigurationChoice {
            /// The published mean and deviation of the data set.
            case dataset
            /// Nothing.
            case none
        }

        /// The backbone.
        public var architecture = Architecture.resnet18
        /// What stands before the first stage.
        public var stem = Stem.cifar
        /// Channels of the first stage, at least 1, which scale all others; nil means the architecture's own.
        public var width: Int?
        /// The factor of all widths, above 0 and at most 1; products are truncated.
        public var ratio = 1.0
        /// What images are normalised by.
        public var normalize = Normalization.dataset

        /// Makes the section with every default.
        public init() {}
    }
}

extension RunConfiguration.Model: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("architecture", \.architecture, "the backbone"),
        ConfigurationKey("stem", \.stem, "what stands before the first stage"),
        ConfigurationKey(
            "width", \.width, "channels of the first stage; null: the architecture's own", .ifGiven(.atLeast(1))),
        ConfigurationKey("ratio", \.ratio, "factor of all widths; products are truncated", .unit),
        ConfigurationKey("normalize", \.normalize, "what images are normalised by, inside the model"),
    ]
}
