/// Writes a pack from its beginning to its end; see `PackIndex` for the format.
///
/// Blocks of `train` come first, then ``endSplit(_:sha256:)``, then those of `test`. The bytes go to a closure, so that
/// files are written where files are written.
package struct PackWriter {
    private let write: (UnsafeRawBufferPointer) throws -> Void
    private var offset = 0
    private var labels: [Int32] = []
    private var imagesOffset = 0
    private var splits: [PackIndex.Split] = []

    /// Begins a pack.
    /// - Parameter write: Is given all bytes of the file in order.
    package init(_ write: @escaping (UnsafeRawBufferPointer) throws -> Void) throws {
        self.write = write
        try append(PackIndex.prelude)
        imagesOffset = offset
    }

    /// Appends images of the current split.
    package mutating func append(_ images: UnsafeRawBufferPointer, _ labels: ArraySlice<Int32>) throws {
        try write(images)
        offset += images.count
        self.labels += labels
    }

    /// Ends the current split.
    /// - Parameter sha256: That of its images and labels.
    package mutating func endSplit(_ split: DatasetSplit, sha256: String) throws {
        try align()
        let labelsOffset = offset
        try append(labels.flatMap { label in withUnsafeBytes(of: label.littleEndian) { Array($0) } })
        splits.append(
            PackIndex.Split(
                name: split.rawValue, count: labels.count, imagesOffset: imagesOffset, labelsOffset: labelsOffset,
                sha256: sha256))
        try align()
        imagesOffset = offset
        labels = []
    }

    /// Writes what stands last.
    /// - Parameters:
    ///   - dataset: The data set that the images are of.
    ///   - scan: What reading one of its splits has shown.
    package func finish(_ dataset: DatasetName, _ scan: DatasetScan) throws {
        try finish(
            PackIndex(
                dataset: dataset, traits: scan.traits, window: scan.window, resizeMode: scan.resizeMode ?? .squash,
                splits: splits))
    }

    /// Writes the images of a set with labels that a network has given them, as a whole pack without test images.
    /// - Parameters:
    ///   - labels: The class of each image of the set.
    ///   - origin: Whose they are.
    package mutating func write(_ set: ImageSet, labels: [Int32], from origin: LabelOrigin) throws {
        try set.images.withUnsafeBytes { try append($0, labels[...]) }
        try endSplit(.train, sha256: SplitDigest.of(set.images, labels))
        try finish(
            PackIndex(
                dataset: set.name, traits: set.traits, window: set.window, resizeMode: .squash, splits: splits,
                labelsFrom: origin))
    }

    private func finish(_ index: PackIndex) throws { try index.encoded().withUnsafeBytes(write) }

    private mutating func append(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes(write)
        offset += bytes.count
    }

    private mutating func align() throws {
        try append([UInt8](repeating: 0, count: PackIndex.aligned(offset) - offset))
    }
}
