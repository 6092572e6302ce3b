import Files
import Foundation

/// A pack that is open: its file is mapped, so its images are read when they are used, and ranks of a host share them.
struct ImagePack {
    /// Packs up to this size are compared with their checksums when they are opened: a second or two.
    static let mostBytesHashed = 2 << 30

    let path: String
    let index: PackIndex
    private let file: Data

    /// Maps a file and checks its index.
    init(_ path: String) throws(DatasetError) {
        do {
            file = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
        } catch {
            let code = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError)?.code
            throw .unreadable(file: path, reason: code.map { String(cString: strerror(Int32($0))) } ?? "\(error)")
        }
        self.path = path
        index = try PackIndex(file, path)
    }

    /// Whether opening a split compares it with its checksum.
    var isHashedWhenOpened: Bool { file.count <= ImagePack.mostBytesHashed }

    /// Returns the images of a split, which stay in the file, and its labels.
    func contents(_ split: DatasetSplit) throws(DatasetError) -> (images: Data, labels: [Int32], sha256: String) {
        let part = try part(split)
        let images = file[part.imagesOffset..<part.imagesOffset + part.count * index.imageSize]
        let bytes = file[part.labelsOffset..<part.labelsOffset + 4 * part.count]
        let labels = bytes.withUnsafeBytes { bytes in
            (0..<part.count).map { Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self)) }
        }
        if let wrong = labels.firstIndex(where: { $0 < 0 || $0 >= index.classNames.count }) {
            throw .labelOutside(
                file: path, record: wrong, label: Int(labels[wrong]), allowed: index.classNames.count)
        }
        return (images, labels, part.sha256)
    }

    /// Compares a split with its checksum.
    func verify(_ split: DatasetSplit) throws(DatasetError) {
        let (images, labels, expected) = try contents(split)
        let found = SplitDigest.of(images, labels)
        guard found == expected else { throw damage(split, found: found, expected: expected) }
    }

    /// What is said of a split without its checksum.
    func damage(_ split: DatasetSplit, found: String, expected: String) -> DatasetError {
        .unusablePack(
            file: path, reason: "damaged: \(split.rawValue) has the SHA-256 \(found), expected \(expected)")
    }

    private func part(_ split: DatasetSplit) throws(DatasetError) -> PackIndex.Split {
        guard let part = index.splits.first(where: { $0.name == split.rawValue }) else {
            throw .unusablePack(file: path, reason: "no split \(split.rawValue)")
        }
        return part
    }
}

/// The SHA-256 of a split: its images, then its labels in 32 bits, little-endian.
struct SplitDigest {
    private var digest = ContentDigest()
    private var labels: [Int32] = []

    mutating func append(_ images: UnsafeRawBufferPointer, _ labels: ArraySlice<Int32>) {
        digest.append(images)
        self.labels += labels
    }

    func finish() -> String {
        var whole = digest
        labels.map(\.littleEndian).withUnsafeBytes { whole.append($0) }
        return whole.hexadecimal
    }

    static func of(_ images: Data, _ labels: [Int32]) -> String {
        var digest = SplitDigest()
        images.withUnsafeBytes { digest.append($0, labels[...]) }
        return digest.finish()
    }
}
