import Datasets
import Networks

extension RunConfiguration {
    /// The section `data`: the images.
    package struct DataSource: Sendable, Equatable {
        /// The data set.
        package var dataset = DatasetName.cifar10
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
        /// How pictures become squares of that side; nil means by the shorter side, and of a pack the way it was made.
        package var resizeMode: ResizeMode?
        /// The side of the square part of a stored image that networks see, at least 1, at most the stored side; nil means
        /// 224 of images stored at 256, and whole images else.
        package var crop: Int?
        /// What becomes of image files that cannot be decoded.
        package var corrupt = CorruptImagePolicy.refuse
        /// A pack or a folder of images that batches have beside those of the data set; nil means none.
        package var extra: String?
        /// The share of every batch that they are, above 0 and below 1.
        package var extraShare = 0.5

        /// Makes the section with every default.
        package init() {}

        /// The changes of training images: those given, or the data set's own.
        package var resolvedAugmentation: [Augmentation] {
            augmentation ?? dataset.traits.augmentations
        }

        /// Whether the images are files of their own, whose size is to be chosen.
        package var readsImageFiles: Bool { dataset == .tinyImageNet || dataset == .folder }
    }
}

extension RunConfiguration.DataSource: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("dataset", \.dataset, "the data set"),
        ConfigurationKey("path", \.path, "folder of its files, or a pack", .ifGiven(.path)),
        ConfigurationKey(
            "train_samples", \.trainSamples, "the first so many training images; null: all",
            .ifGiven(.within(1...ConfigurationLimits.images))),
        ConfigurationKey(
            "test_samples", \.testSamples, "the first so many test images; null: all",
            .ifGiven(.within(1...ConfigurationLimits.images))),
        ConfigurationKey(
            "augmentation", \.augmentation, "changes of training images; null: the data set's own",
            .ifGiven(.distinct())),
        ConfigurationKey(
            "resize", \.resize,
            "side in pixels of the stored images of folder and tiny-imagenet; null: 256 and 64",
            .ifGiven(.within(1...NetworkLimits.imageSide))),
        ConfigurationKey(
            "resize_mode", \.resizeMode,
            "how pictures become squares; null: shorter-side, which keeps the ratio and cuts out the middle, and of a pack "
                + "the way it was made"),
        ConfigurationKey(
            "crop", \.crop,
            "side of the part of a stored image that networks see; null: 224 of images stored at 256, else all of it",
            .ifGiven(.within(1...NetworkLimits.imageSide))),
        ConfigurationKey("corrupt", \.corrupt, "what becomes of image files that cannot be decoded"),
        ConfigurationKey(
            "extra", \.extra,
            "a pack or folder of more images to train on, labelled, or labelled by evaluate --write-labels",
            .ifGiven(.path)),
        ConfigurationKey(
            "extra_share", \.extraShare, "the share of every batch that those are", .between(0, 1),
            onlyWhere: ConfigurationCondition("data.extra other than null") { $0.extra != nil }),
    ]
}

extension DatasetName: ConfigurationChoice {
    static var otherWords: [String: String] {
        ["imagenet": "folder", "imagefolder": "folder", "tinyimagenet": "tiny-imagenet"]
    }
}
extension Augmentation: ConfigurationChoice {}
extension CorruptImagePolicy: ConfigurationChoice {}
extension ResizeMode: ConfigurationChoice {}
