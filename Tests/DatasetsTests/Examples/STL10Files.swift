import Files

@testable import Datasets

/// STL-10 (Coates, Ng and Lee, AISTATS 2011) as its binary files have it: `train_X.bin`, three planes of 96 columns an image,
/// and `train_y.bin`, a byte an image, classes counted from 1; `test_` likewise.
enum STL10Files {
    static let traits = DatasetTraits(
        classNames: ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"],
        height: 96, width: 96, channels: 3, mean: [0.5, 0.5, 0.5], standardDeviation: [0.25, 0.25, 0.25],
        augmentations: [.crop, .flip])

    /// Reads a split from a folder, checks all of it, and keeps the first images.
    static func load(
        _ name: DatasetName, _ folder: String, _ split: DatasetSplit, _ samples: Int?, _ memory: MemoryBudget
    ) throws(DatasetError) -> ImageSet {
        let imagePath = FileSystem.join(folder, "\(split.rawValue)_X.bin")
        let labelPath = FileSystem.join(folder, "\(split.rawValue)_y.bin")
        let size = traits.imageSize
        let labels = try CompressedFile(labelPath).read(memory.imagesOfRank / size + 1)
        try memory.check(labels.count, of: size, in: folder)
        if let record = labels.firstIndex(where: { $0 < 1 || $0 > traits.classes }) {
            throw .labelOutside(
                file: labelPath, record: record, label: Int(labels[record]) - 1, allowed: traits.classes)
        }
        let kept = try checkedSamples(name, split, samples, found: labels.count)
        let file = try CompressedFile(imagePath)
        let (planes, expected) = (try file.read(labels.count * size), labels.count * size)
        if planes.count < expected {
            throw .cutShort(file: imagePath, record: planes.count / size, expected: expected, found: planes.count)
        }
        let rest = try file.countRest()
        if rest > 0 {
            throw .tooLong(file: imagePath, records: labels.count, expected: expected, found: expected + rest)
        }
        let (height, width, channels) = (traits.height, traits.width, traits.channels)
        let images = [UInt8](unsafeUninitializedCapacity: kept * size) { buffer, initialized in
            for place in 0..<kept * size {
                let (image, channel) = (place / size, place % channels)
                let (row, column) = (place % size / channels / width, place / channels % width)
                buffer[place] = planes[image * size + (channel * width + column) * height + row]
            }
            initialized = kept * size
        }
        return ImageSet(
            name: name, split: split, traits: traits, images: images, labels: labels.prefix(kept).map { Int32($0) - 1 })
    }
}
