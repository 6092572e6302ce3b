/// A pair of IDX files, images and labels, as MNIST and the sets that imitate it are published: big-endian header, bytes.
///
/// Source: http://yann.lecun.com/exdb/mnist, "The IDX file format".
struct IdxFiles {
    /// The file of unsigned bytes in three dimensions.
    let imagePath: String
    /// The file of unsigned bytes in one dimension.
    let labelPath: String

    private static let imageMagic: UInt32 = 0x0000_0803
    private static let labelMagic: UInt32 = 0x0000_0801

    /// Reads and checks both files whole.
    /// - Parameters:
    ///   - traits: The size of the images, and the classes.
    ///   - budget: What the images may take; a few bytes of gzip can hold millions of them.
    /// - Returns: Bytes in NHWC with one channel, and one label an image.
    func read(
        _ traits: DatasetTraits, _ budget: MemoryBudget
    ) throws(DatasetError) -> (images: [UInt8], labels: [Int32]) {
        let imageFile = try CompressedFile(imagePath)
        let labelFile = try CompressedFile(labelPath)
        let imageSizes = try header(imageFile, magic: IdxFiles.imageMagic, dimensions: 3)
        let labelSizes = try header(labelFile, magic: IdxFiles.labelMagic, dimensions: 1)
        if imageSizes[1] != traits.height || imageSizes[2] != traits.width {
            throw .wrongImageSize(
                file: imagePath, expected: "\(traits.height) x \(traits.width)",
                found: "\(imageSizes[1]) x \(imageSizes[2])")
        }
        if imageSizes[0] != labelSizes[0] {
            throw .countMismatch(
                imageFile: imagePath, images: imageSizes[0], labelFile: labelPath, labels: labelSizes[0])
        }
        if imageSizes[0] == 0 { throw .empty(file: imagePath) }
        try checkSize(labelFile, count: labelSizes[0], size: 1, headerSize: 8)
        try checkSize(imageFile, count: imageSizes[0], size: traits.imageSize, headerSize: 16)
        // A label takes a byte here and four in the set.
        try budget.check(imageSizes[0], of: traits.imageSize + 5, in: imagePath)
        let labels = try records(labelFile, count: labelSizes[0], size: 1, headerSize: 8)
        if let record = labels.firstIndex(where: { $0 >= traits.classes }) {
            throw .labelOutside(
                file: labelPath, record: record, label: Int(labels[record]), allowed: traits.classes)
        }
        let images = try records(imageFile, count: imageSizes[0], size: traits.imageSize, headerSize: 16)
        return (images, labels.map(Int32.init))
    }

    /// Reads the magic number and the sizes that follow it, each four bytes.
    private func header(
        _ file: CompressedFile, magic: UInt32, dimensions: Int
    ) throws(DatasetError) -> [Int] {
        let expected = 4 * (1 + dimensions)
        let bytes = try file.read(expected)
        let words = (0..<bytes.count / 4).map { word in
            bytes[4 * word..<4 * word + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        }
        // The kind is checked first: a label file under an image file's name may well be shorter than this header.
        if let found = words.first, found != magic {
            throw .wrongMagic(file: file.path, expected: magic, found: found)
        }
        if bytes.count < expected {
            throw .headerCutShort(file: file.path, expected: expected, found: bytes.count)
        }
        return words.dropFirst().map(Int.init)
    }

    /// Compares a plain file's size with what its header claims, before anything is made of that size.
    private func checkSize(
        _ file: CompressedFile, count: Int, size: Int, headerSize: Int
    ) throws(DatasetError) {
        let expected = headerSize + count * size
        guard let found = file.plainSize else { return }
        if found < expected {
            throw .cutShort(file: file.path, record: (found - headerSize) / size, expected: expected, found: found)
        }
        if found > expected {
            throw .tooLong(file: file.path, records: count, expected: expected, found: found)
        }
    }

    /// Reads all records of a file and makes sure that nothing follows.
    private func records(
        _ file: CompressedFile, count: Int, size: Int, headerSize: Int
    ) throws(DatasetError) -> [UInt8] {
        let bytes = try file.read(count * size)
        let expected = headerSize + count * size
        if bytes.count < count * size {
            throw .cutShort(
                file: file.path, record: bytes.count / size, expected: expected, found: headerSize + bytes.count)
        }
        let rest = try file.countRest()
        if rest > 0 {
            throw .tooLong(file: file.path, records: count, expected: expected, found: expected + rest)
        }
        return bytes
    }
}
