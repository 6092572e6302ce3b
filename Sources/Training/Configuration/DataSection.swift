extension RunConfiguration {
    /// The section `data`: the images.
    public struct DataSource: Sendable, Equatable {
        /// The data set.
        public enum Dataset: String, Sendable, ConfigurationChoice {
            case cifar10
            case cifar100
            case fashionMNIST = "fashion-mnist"
            case mnist
            /// Made from the seed, without files.
            case synthetic
        }

        /// A random change of a training image.
        public enum Augmentation: String, Sendable, ConfigurationChoice {
            /// A window of the image's size out of the image with a border of zeros.
            case crop
            /// A left-right flip of every second image.
            case flip
            /// Random brightness, contrast and saturation within ±30%, and hue within ±0.3 turns, in random order.
            case colorJitter = "color-jitter"
        }

        /// The data set.
        public var dataset = Dataset.cifar10
        /// The folder of its files; nil means where the system keeps them.
        public var path: String?
        /// The first so many training images in file order, at least 1; nil means all.
        public var trainSamples: Int?
        /// The first so many test images in file order, at least 1; nil means all.
        public var testSamples: Int?
        /// The changes of training images; nil means the data set's own, see `resolvedAugmentation`.
        public var augmentation: [Augmentation]?

        /// Makes the section with every default.
        public init() {}

        /// The changes of training images: those given, or the data set's own.
        public var resolvedAugmentation: [Augmentation] {
            if let augmentation { return augmentation }
            return switch dataset {
            case .cifar10, .cifar100: [.crop, .flip]
            case .mnist, .fashionMNIST: [.crop]
            case .synthetic: []
            }
        }
    }
}

extension RunConfiguration.DataSource: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("dataset", \.dataset, "the data set"),
        ConfigurationKey("path", \.path, "folder of its files", .ifGiven(.notEmpty)),
        ConfigurationKey(
            "train_samples", \.trainSamples, "the first so many training images; null: all", .ifGiven(.atLeast(1))),
        ConfigurationKey(
            "test_samples", \.testSamples, "the first so many test images; null: all", .ifGiven(.atLeast(1))),
        ConfigurationKey(
            "augmentation", \.augmentation, "changes of training images; null: the data set's own",
            .ifGiven(.distinct())),
    ]
}
