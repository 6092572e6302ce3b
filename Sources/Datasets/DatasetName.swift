/// A data set that can be loaded; the raw value is its name in configurations and result files.
package enum DatasetName: String, CaseIterable, Sendable {
    case cifar10
    case cifar100
    case fashionMNIST = "fashion-mnist"
    case mnist
    case tinyImageNet = "tiny-imagenet"
    /// Pictures in folders, one folder a class, as ImageNet is kept.
    case folder
    case synthetic

    /// The side of the stored square images where the configuration names none; nil where the files fix the size.
    package var usualSide: Int? {
        switch self {
        case .tinyImageNet: 64
        case .folder: 256
        default: nil
        }
    }
}

/// The two parts in which a data set is published.
package enum DatasetSplit: String, CaseIterable, Sendable {
    case train
    case test
}

/// What a network has to know of a data set.
package struct DatasetTraits: Equatable, Sendable {
    /// The name of each class, in label order.
    package let classNames: [String]
    /// Rows of an image as networks see it.
    package let height: Int
    /// Columns of an image as networks see it.
    package let width: Int
    /// Channels of a pixel: 3 for red, green and blue, 1 for grey.
    package let channels: Int
    /// The published mean of each channel, images in [0, 1].
    package let mean: [Float]
    /// The published standard deviation of each channel, images in [0, 1].
    package let standardDeviation: [Float]
    /// The augmentations of training images where the configuration names none.
    package let augmentations: [Augmentation]

    /// The number of classes.
    package var classes: Int { classNames.count }
    /// Values of an image as networks see it.
    package var imageSize: Int { height * width * channels }

    /// Describes a data set.
    package init(
        classNames: [String], height: Int, width: Int, channels: Int, mean: [Float], standardDeviation: [Float],
        augmentations: [Augmentation]
    ) {
        precondition(
            mean.count == channels && standardDeviation.count == channels,
            "\(channels) channels need as many means and deviations, got \(mean.count) and \(standardDeviation.count)")
        self.classNames = classNames
        self.height = height
        self.width = width
        self.channels = channels
        self.mean = mean
        self.standardDeviation = standardDeviation
        self.augmentations = augmentations
    }
}

extension DatasetName {
    /// The shape, classes, normalisation and usual augmentation of the data set, before any file is read.
    ///
    /// A loaded ``ImageSet`` carries its own, which differ for folders: here they are taken to hold ImageNet, with its
    /// 1,000 classes and windows of 224 pixels. ImageNet's mean and deviation are those of torchvision's networks;
    /// Tiny-ImageNet has no official ones, and these are the most used.
    package var traits: DatasetTraits {
        switch self {
        case .cifar10:
            DatasetTraits(
                classNames: cifar10ClassNames, height: 32, width: 32, channels: 3, mean: [0.4914, 0.4822, 0.4465],
                standardDeviation: [0.2470, 0.2435, 0.2616], augmentations: [.crop, .flip])
        case .cifar100:
            DatasetTraits(
                classNames: cifar100ClassNames, height: 32, width: 32, channels: 3,
                mean: [0.50707516, 0.48654887, 0.44091784],
                standardDeviation: [0.26733428, 0.25643846, 0.27615047], augmentations: [.crop, .flip])
        case .fashionMNIST:
            DatasetTraits(
                classNames: fashionClassNames, height: 28, width: 28, channels: 1, mean: [0.2860],
                standardDeviation: [0.3530], augmentations: [.crop])
        case .mnist:
            DatasetTraits(
                classNames: (0..<10).map(String.init), height: 28, width: 28, channels: 1, mean: [0.1307],
                standardDeviation: [0.3081], augmentations: [.crop])
        case .tinyImageNet:
            DatasetTraits(
                classNames: (0..<200).map(String.init), height: 64, width: 64, channels: 3,
                mean: [0.4802, 0.4481, 0.3975], standardDeviation: [0.2302, 0.2265, 0.2262],
                augmentations: [.crop, .flip])
        case .folder:
            DatasetTraits(
                classNames: (0..<1000).map(String.init), height: 224, width: 224, channels: 3,
                mean: [0.485, 0.456, 0.406], standardDeviation: [0.229, 0.224, 0.225], augmentations: [.crop, .flip])
        case .synthetic:
            DatasetTraits(
                classNames: (0..<10).map { "pattern \($0)" }, height: 32, width: 32, channels: 3,
                mean: [0.5, 0.5, 0.5], standardDeviation: [0.25, 0.25, 0.25], augmentations: [])
        }
    }
}

private let cifar10ClassNames = [
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
]

private let fashionClassNames = [
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
]

private let cifar100ClassNames = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest",
    "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard",
    "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid",
    "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum",
    "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper",
    "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone",
    "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf",
    "woman", "worm",
]
