import Files
import Foundation

/// A data set whose images are files, or a pack made of them, found and checked but not decoded.
enum FileImages {
    case tree(TreeImages)
    case pack(ImagePack)

    /// Opens a split of a data set that has a size to be chosen.
    init(
        _ name: DatasetName, _ path: String?, _ split: DatasetSplit, _ options: ImageFileOptions
    ) throws(DatasetError) {
        guard let path else { throw .pathNeeded(dataset: name) }
        if FileSystem.isFile(path) {
            let pack = try ImagePack(path)
            guard pack.index.dataset == name.rawValue else {
                throw .unusablePack(
                    file: path, reason: "a pack of \(pack.index.dataset), expected one of \(name.rawValue)")
            }
            let (height, width) = (pack.index.height, pack.index.width)
            if let side = options.resize, side != height || side != width {
                throw .wrongSetting(
                    key: "data.resize", value: "\(side)",
                    allowed: "null: the images of the pack \(path) are \(height) x \(width) for good")
            }
            if let mode = options.resizeMode, mode != pack.index.resizeMode {
                throw .wrongSetting(
                    key: "data.resize_mode", value: mode.rawValue,
                    allowed: "null: the pack \(path) was made with \(pack.index.resizeMode.rawValue)")
            }
            self = .pack(pack)
        } else {
            let tree =
                name == .tinyImageNet ? try TinyImageNetTree(path).tree(split) : try ImageTree.folders(path, split)
            self = .tree(options.images(of: tree, usualSide: name.usualSide ?? 256))
        }
    }

    /// The size of the stored images.
    var size: PictureSize {
        switch self {
        case .tree(let images): images.size
        case .pack(let pack): PictureSize(height: pack.index.height, width: pack.index.width)
        }
    }

    /// What networks have to know, in windows of the stored images.
    func traits(_ name: DatasetName, _ window: ImageWindow) -> DatasetTraits {
        switch self {
        case .tree(let images): return name.traits.sized(window, classNames: images.tree.classNames)
        case .pack(let pack):
            return DatasetTraits(
                classNames: pack.index.classNames, height: window.height, width: window.width,
                channels: pack.index.channels, mean: pack.index.mean, standardDeviation: pack.index.deviation,
                augmentations: name.traits.augmentations)
        }
    }
}

/// Loads a split: a tree is decoded into memory, a pack stays in its file.
func loadFileImages(
    _ name: DatasetName, _ path: String?, _ split: DatasetSplit, _ samples: Int?, _ options: ImageFileOptions,
    _ progress: () -> Void
) throws(DatasetError) -> ImageSet {
    let source = try FileImages(name, path, split, options)
    let window = try options.window(storedHeight: source.size.height, storedWidth: source.size.width)
    let traits = source.traits(name, window)
    switch source {
    case .pack(let pack):
        if pack.isHashedWhenOpened { try pack.verify(split) }
        let (images, labels, sha256) = try pack.contents(split)
        let kept = try checkedSamples(name, split, samples, found: labels.count)
        return ImageSet(
            name: name, split: split, traits: traits, window: window,
            images: images.prefix(kept * pack.index.imageSize), labels: Array(labels.prefix(kept)), warnings: [],
            contentDigest: kept == labels.count ? sha256 : nil)
    case .tree(let images):
        let wanted = try checkedSamples(name, split, samples, found: images.tree.files.count)
        let (pixels, labels, reading) = try decoded(images, wanted, options, progress)
        _ = try checkedSamples(name, split, samples, found: reading.count)
        let warnings = images.tree.warnings + reading.warnings(images.tree) + images.sizeWarning(reading.count)
        return ImageSet(
            name: name, split: split, traits: traits, window: window, images: pixels, labels: labels,
            warnings: warnings)
    }
}

/// Decodes the first good images of a tree into memory.
func decoded(
    _ images: TreeImages, _ wanted: Int, _ options: ImageFileOptions, _ progress: () -> Void
) throws(DatasetError) -> (pixels: Data, labels: [Int32], reading: TreeReading) {
    try options.memory.check(
        wanted, of: images.imageSize, in: images.tree.folder,
        advice: "robustmoe data pack makes a file of them that need not fit")
    var pixels = Data(count: wanted * images.imageSize)
    var labels: [Int32] = []
    let reading = images.read(limit: wanted) { block, blockLabels in
        progress()
        pixels.withUnsafeMutableBytes { bytes in
            UnsafeMutableRawBufferPointer(rebasing: bytes[(labels.count * images.imageSize)...]).copyMemory(from: block)
        }
        labels += blockLabels
    }
    try reading.check(images.tree, options.corrupt)
    return (pixels.prefix(labels.count * images.imageSize), labels, reading)
}

extension TreeImages {
    /// What a person should know of images that take much memory.
    func sizeWarning(_ count: Int) -> [String] {
        let bytes = count * imageSize
        guard bytes >= 1 << 30 else { return [] }
        return [
            "\(tree.folder): every rank decodes and holds \(bytes >> 20) MiB of images; "
                + "robustmoe data pack makes one file that the ranks of a host share"
        ]
    }
}

extension TreeReading {
    /// Throws where files are of no use and that is not wanted, or where nothing is left.
    func check(_ tree: ImageTree, _ policy: CorruptImagePolicy) throws(DatasetError) {
        guard corrupt.isEmpty || policy == .skip else {
            throw .corruptImages(folder: tree.folder, images: corrupt, read: filesRead)
        }
        guard count > 0 else {
            throw .unusableTree(
                folder: tree.folder,
                reason: "no image of \(tree.split.rawValue) can be decoded: " + CorruptImage.few(corrupt))
        }
    }

    /// What a person should know of files that were left out.
    func warnings(_ tree: ImageTree) -> [String] {
        guard !corrupt.isEmpty else { return [] }
        return [
            "\(tree.folder): \(corrupt.count) of \(filesRead) images cannot be decoded and are left out: "
                + CorruptImage.few(corrupt)
        ]
    }
}
