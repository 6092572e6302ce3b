import Files
import Foundation

/// Which network has given a pack its labels, and to which images.
package struct LabelOrigin: Codable, Equatable, Sendable {
    /// The SHA-256 of the weights.
    package let weights: String
    /// The SHA-256 of the source of the images, whatever labels it had.
    package let source: String

    /// Makes an origin; see the properties.
    package init(weights: String, source: String) {
        self.weights = weights
        self.source = source
    }
}

/// What a pack says of itself: decoded, resized images of both splits with their labels in one file, to be mapped.
///
/// The file, numbers little-endian:
/// - bytes 0 to 7 `RMOEPACK`, 8 to 11 the version, 1; zeros up to byte 4096;
/// - for `train`, then `test`, which packs of labels lack: the images, `[count][height][width][channels]` bytes from 0 to 255, then the labels,
///   `[count]` of 32 bits, each of the two beginning at the next multiple of 4096, zeros between;
/// - the index: JSON of the keys of this structure, UTF-8; without `resize_mode` in packs that are older than that key,
///   which hold squashed pictures; with `labels_from` where a network has given the labels;
/// - 48 bytes: the length of the index in 64 bits, the SHA-256 of the index, `RMOEDONE`.
///
/// The index stands last, so that a pack is written in one go and one that was cut short is known at once.
struct PackIndex: Codable, Equatable {
    /// One split of a pack.
    struct Split: Codable, Equatable {
        /// `train` or `test`.
        let name: String
        /// The number of images.
        let count: Int
        /// The byte at which the images begin.
        let imagesOffset: Int
        /// The byte at which the labels begin.
        let labelsOffset: Int
        /// The SHA-256 of the images and the labels, one after the other, in hexadecimal digits.
        let sha256: String

        enum CodingKeys: String, CodingKey {
            case name, count, sha256
            case imagesOffset = "images_offset"
            case labelsOffset = "labels_offset"
        }
    }

    static let magic = Array("RMOEPACK".utf8)
    static let endMagic = Array("RMOEDONE".utf8)
    static let version: UInt32 = 1
    static let page = 4096
    static let trailerSize = 48
    /// The most bytes of an index: a million classes would do.
    static let mostBytes = 1 << 26

    /// The data set, as in configurations.
    let dataset: String
    /// Rows of a stored image.
    let height: Int
    /// Columns of a stored image.
    let width: Int
    /// Channels of a pixel.
    let channels: Int
    /// How pictures became images of that size; nil in packs that are older than this key.
    private let recordedResizeMode: ResizeMode?
    /// The name of each class, in label order.
    let classNames: [String]
    /// The mean of each channel by which images are normalised, images in [0, 1].
    let mean: [Float]
    /// The standard deviation of each channel.
    let deviation: [Float]
    /// The splits in the order of the file.
    let splits: [Split]
    /// Who has given the labels, where it was a network.
    let labelsFrom: LabelOrigin?

    enum CodingKeys: String, CodingKey {
        case dataset, height, width, channels, mean, deviation, splits
        case classNames = "class_names"
        case recordedResizeMode = "resize_mode"
        case labelsFrom = "labels_from"
    }

    /// How pictures became images of that size: they were squashed before this could be chosen.
    var resizeMode: ResizeMode { recordedResizeMode ?? .squash }
    /// Bytes of a stored image.
    var imageSize: Int { height * width * channels }

    /// The first multiple of a page at or after a byte.
    static func aligned(_ offset: Int) -> Int { (offset + page - 1) / page * page }

    /// What stands before the first image.
    static var prelude: [UInt8] {
        let number = withUnsafeBytes(of: version.littleEndian) { Array($0) }
        return magic + number + [UInt8](repeating: 0, count: page - magic.count - number.count)
    }

    /// The index and what follows it.
    func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = try encoder.encode(self)
        let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
        return Array(text) + length + ContentDigest(of: text).bytes + PackIndex.endMagic
    }

    /// Reads and checks the index of a whole file: every offset is what the counts make it, and nothing is left over.
    init(_ file: Data, _ path: String) throws(DatasetError) {
        func fail(_ reason: String) -> DatasetError { .unusablePack(file: path, reason: reason) }
        guard file.starts(with: PackIndex.magic) else { throw fail("no pack, expected RMOEPACK at its beginning") }
        guard file.count >= PackIndex.page + PackIndex.trailerSize else {
            throw fail("a pack cut short, at \(file.count) bytes")
        }
        let version = UInt32(PackIndex.number(file[8..<12]))
        guard version == PackIndex.version else {
            throw fail("a pack of version \(version), expected \(PackIndex.version)")
        }
        let trailer = file.suffix(PackIndex.trailerSize)
        guard trailer.suffix(8).elementsEqual(PackIndex.endMagic) else {
            throw fail("a pack cut short, or with bytes after its end: no RMOEDONE at byte \(file.count - 8)")
        }
        let length = PackIndex.number(trailer.prefix(8))
        let end = file.count - PackIndex.trailerSize
        guard length <= PackIndex.mostBytes, Int(length) <= end - PackIndex.page else {
            throw fail("damaged: an index of \(length) bytes in a file of \(file.count)")
        }
        let text = file[end - Int(length)..<end]
        guard ContentDigest(of: text).bytes.elementsEqual(trailer.dropFirst(8).prefix(32)) else {
            throw fail("damaged: the index does not have its SHA-256")
        }
        do {
            self = try JSONDecoder().decode(PackIndex.self, from: Data(text))
        } catch {
            throw fail("the index cannot be read (\(error))")
        }
        if let reason = fault(end: end - Int(length)) { throw fail("the index contradicts the file: \(reason)") }
    }

    /// Describes a file that is written.
    init(
        dataset: DatasetName, traits: DatasetTraits, window: ImageWindow, resizeMode: ResizeMode, splits: [Split],
        labelsFrom: LabelOrigin? = nil
    ) {
        self.dataset = dataset.rawValue
        height = window.storedHeight
        width = window.storedWidth
        channels = traits.channels
        recordedResizeMode = resizeMode
        classNames = traits.classNames
        mean = traits.mean
        deviation = traits.standardDeviation
        self.splits = splits
        self.labelsFrom = labelsFrom
    }

    /// Reads a little-endian number of at most 8 bytes.
    private static func number(_ bytes: Data) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

    /// What cannot be, if anything; `end` is the byte at which the index begins.
    private func fault(end: Int) -> String? {
        let sides = 1...65_535
        guard sides.contains(height), sides.contains(width), [1, 3].contains(channels) else {
            return "images of \(height) x \(width) x \(channels)"
        }
        guard !classNames.isEmpty else { return "no class" }
        guard mean.count == channels, deviation.count == channels, mean.allSatisfy(\.isFinite),
            deviation.allSatisfy({ $0.isFinite && $0 > 0 })
        else { return "mean \(mean), deviation \(deviation) of \(channels) channels" }
        let names = splits.map(\.name)
        guard names == DatasetSplit.allCases.map(\.rawValue) || names == [DatasetSplit.train.rawValue] else {
            return "splits \(names), expected \(DatasetSplit.allCases.map(\.rawValue)), or the first alone"
        }
        var offset = PackIndex.page
        for split in splits {
            guard split.count >= 1, split.count <= end / imageSize else {
                return "\(split.count) images of \(split.name) in \(end) bytes"
            }
            let labels = PackIndex.aligned(offset + split.count * imageSize)
            guard split.imagesOffset == offset, split.labelsOffset == labels else {
                return "\(split.name) at \(split.imagesOffset) and \(split.labelsOffset), "
                    + "expected \(offset) and \(labels)"
            }
            offset = PackIndex.aligned(labels + 4 * split.count)
        }
        return offset == end ? nil : "the images end at \(offset), the index begins at \(end)"
    }
}
