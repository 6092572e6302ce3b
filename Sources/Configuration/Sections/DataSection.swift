import Datasets

extension RunConfiguration {
    /// The section `data`: the images.
    package struct DataSource: Sendable, Equatable {
        /// The data set.
        package enum Dataset: String, Sendable, ConfigurationChoice {
            case cifar10
            case cifar100
            case fashionMNIST = "fashion-mnist"
            case mnist
            /// 200 classes of ImageNet at 64×64, in the folders in which it is published.
            case tinyImageNet = "tiny-imagenet"
            /// JPEG and PNG files in a folder for each class, as ImageNet is kept.
            case folder
            /// Made from the seed, without files.
            case synthetic
        }

        /// A random change of a training image.
        package enum Augmentation: String, Sendable, ConfigurationChoice {
            /// The window that the network sees at a random place of the stored image; where it is the whole image, of the
            /// image with a border of zeros.
            case crop
            /// A left-right flip of every second image.
            case flip
            /// Random brightness, contrast and saturation within ±30%, and hue within ±0.3 turns, in random order.
            case colorJitter = "color-jitter"
        }

        /// What becomes of image files that cannot be decoded.
        package enum CorruptImages: String, Sendable, ConfigurationChoice {
            /// They end the run before it begins.
            case refuse
            /// They are left out, with a warning.
            case skip
        }

        /// The data set.
        package var dataset = Dataset.cifar10
        /// The folder of its files, or a pack; nil means where the system keeps them.
        package var path: String?
        /// The first so many training images in file order, at least 1; nil means all.
        package var trainSamples: Int?
        /// The first so many test images in file order, at least 1; nil means all.
        package var testSamples: Int?
        /// The changes of training images; nil means the data set's own, see `resolvedAugmentation`.
        package var augmentation: [Augmentation]?
        /// The side in pixels of the stored images of `folder` and `tiny-imagenet`, at least 1; nil means 256 and 64.
        package var resize: Int?
        /// The side of the square part of a stored image that networks see, at least 1, at most the stored side; nil means
        /// 224 of images stored at 256, and whole images else.
        package var crop: Int?
        /// What becomes of image files that cannot be decoded.
        package var corrupt = CorruptImages.refuse

        /// Makes the section with every default.
        package init() {}

        /// The changes of training images: those given, or the data set's own.
        package var resolvedAugmentation: [Augmentation] {
            if let augmentation { return augmentation }
            return switch dataset {
            case .cifar10, .cifar100, .tinyImageNet, .folder: [.crop, .flip]
            case .mnist, .fashionMNIST: [.crop]
            case .synthetic: []
            }
        }

        /// Whether the images are files of their own, whose size is to be chosen.
        package var readsImageFiles: Bool { dataset == .tinyImageNet || dataset == .folder }
    }
}

extension RunConfiguration.DataSource: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("dataset", \.dataset, "the data set"),
        ConfigurationKey("path", \.path, "folder of its files, or a pack", .ifGiven(.notEmpty)),
        ConfigurationKey(
            "train_samples", \.trainSamples, "the first so many training images; null: all", .ifGiven(.atLeast(1))),
        ConfigurationKey(
            "test_samples", \.testSamples, "the first so many test images; null: all", .ifGiven(.atLeast(1))),
        ConfigurationKey(
            "augmentation", \.augmentation, "changes of training images; null: the data set's own",
            .ifGiven(.distinct())),
        ConfigurationKey(
            "resize", \.resize,
            "side in pixels of the stored images of folder and tiny-imagenet; null: 256 and 64", .ifGiven(.atLeast(1))),
        ConfigurationKey(
            "crop", \.crop,
            "side of the part of a stored image that networks see; null: 224 of images stored at 256, else all of it",
            .ifGiven(.atLeast(1))),
        ConfigurationKey("corrupt", \.corrupt, "what becomes of image files that cannot be decoded"),
    ]
}
