import Foundation

/// What going over all images of a split has shown.
package struct DatasetScan: Sendable {
    /// Shape as networks see it, classes, normalisation.
    package let traits: DatasetTraits
    /// The size of the stored images, and of the part of them that networks see.
    package let window: ImageWindow
    /// The images of each class, in label order.
    package let classCounts: [Int]
    /// The SHA-256 of the stored images and, after them, their labels in 32 bits, little-endian.
    package let sha256: String
    /// How image files became squares, or those of a pack have; nil for other sets.
    package let resizeMode: ResizeMode?
    /// Files that cannot be decoded.
    package let corrupt: [CorruptImage]
    /// The sizes of the files with the fewest and the most pixels, such as `375 x 500`, rows first; nil where all images
    /// have the stored size.
    package let fileSizes: (smallest: String, largest: String)?
    /// What a person should know about the split, a sentence each, as in ``ImageSet/warnings``.
    package let warnings: [String]

    /// The number of images.
    package var count: Int { classCounts.reduce(0, +) }
}

/// Images that a scan has come to, as they are stored.
package struct StoredBlock {
    /// `[images][height][width][channels]`.
    package let images: UnsafeRawBufferPointer
    /// The images' labels.
    package let labels: ArraySlice<Int32>
    /// Classes, and the channels of a pixel.
    package let traits: DatasetTraits
    /// The size of the images.
    package let window: ImageWindow
}

/// Reads a whole split once, a block of images at a time, and checks everything there is to check.
///
/// Image files are decoded and resized as for training; of packs the checksums are compared, whatever their size.
/// - Parameters:
///   - name: The data set.
///   - path: Where its files are, or a pack.
///   - split: The published part that is wanted.
///   - options: How image files are read.
///   - body: Is given each block of images in their order.
/// - Throws: ``DatasetError``, for corrupt image files only once all have been read, and only if they are to be refused;
///   and what `body` throws.
package func scanDataset(
    _ name: DatasetName, path: String?, split: DatasetSplit, options: ImageFileOptions = ImageFileOptions(),
    _ body: (StoredBlock) throws -> Void = { _ in }
) throws -> DatasetScan {
    var digest = SplitDigest()
    var counts: [Int: Int] = [:]
    func see(_ block: StoredBlock) throws {
        digest.append(block.images, block.labels)
        for label in block.labels { counts[Int(label), default: 0] += 1 }
        try body(block)
    }
    func scan(
        _ traits: DatasetTraits, _ window: ImageWindow, _ mode: ResizeMode?, _ reading: TreeReading?,
        warnings: [String]
    ) -> DatasetScan {
        let sizes = reading?.sizes.map { (smallest: "\($0.smallest)", largest: "\($0.largest)") }
        return DatasetScan(
            traits: traits, window: window, classCounts: (0..<traits.classes).map { counts[$0] ?? 0 },
            sha256: digest.finish(), resizeMode: mode, corrupt: reading?.corrupt ?? [], fileSizes: sizes,
            warnings: warnings)
    }
    guard name.usualSide != nil else {
        let set = try loadDataset(name, path: path, split: split, options: options)
        try set.images.withUnsafeBytes {
            try see(StoredBlock(images: $0, labels: set.labels[...], traits: set.traits, window: set.window))
        }
        return scan(set.traits, set.window, nil, nil, warnings: set.warnings)
    }
    let source = try FileImages(name, path, split, options)
    let window = try options.window(storedHeight: source.size.height, storedWidth: source.size.width)
    let traits = source.traits(name, window)
    switch source {
    case .pack(let pack):
        let (images, labels, expected) = try pack.contents(split)
        try images.withUnsafeBytes {
            try see(StoredBlock(images: $0, labels: labels[...], traits: traits, window: window))
        }
        let found = digest.finish()
        guard found == expected else { throw pack.damage(split, found: found, expected: expected) }
        return scan(traits, window, pack.index.resizeMode, nil, warnings: [])
    case .tree(let images):
        try options.memory.check(images.atOnce, of: images.imageSize, in: images.tree.folder)
        let reading = try images.read(limit: .max) {
            try see(StoredBlock(images: $0, labels: $1, traits: traits, window: window))
        }
        try reading.check(images.tree, options.corrupt)
        return scan(
            traits, window, images.mode, reading, warnings: images.tree.warnings + images.sizeWarning(reading.count))
    }
}
