/// The official binary files of CIFAR-10 and CIFAR-100: records of label bytes and 3,072 pixel bytes in three planes.
///
/// Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
struct CifarFormat {
    /// The number of classes that each label byte counts; the last one is the label that is kept.
    let labelClasses: [Int]
    /// The records of a published training file.
    let trainingRecords: Int
    /// The records of the published test file.
    let testRecords = 10_000

    /// One label byte.
    static let cifar10 = CifarFormat(labelClasses: [10], trainingRecords: 10_000)
    /// The superclass, which is not kept, and the class.
    static let cifar100 = CifarFormat(labelClasses: [20, 100], trainingRecords: 50_000)

    private static let pixels = 32 * 32
    private static let imageSize = 3 * pixels
    private var recordSize: Int { labelClasses.count + CifarFormat.imageSize }

    /// Reads a whole file and appends its first images to a set.
    /// - Parameters:
    ///   - path: The file; every record of it is checked.
    ///   - limit: The most images that the set may hold afterwards.
    ///   - budget: What the records of the file may take; gzip data may hold any number of them.
    ///   - images: Bytes in NHWC, appended to.
    ///   - labels: One label an image, appended to.
    /// - Returns: The number of records in the file.
    func append(
        _ path: String, limit: Int, budget: MemoryBudget, images: inout [UInt8], labels: inout [Int32]
    ) throws(DatasetError) -> Int {
        let file = try CompressedFile(path)
        let recordsAtOnce = 1000
        var records = 0
        while true {
            let block = try file.read(recordsAtOnce * recordSize)
            let whole = block.count / recordSize
            try budget.check(records + whole, of: CifarFormat.imageSize, in: path)
            for position in 0..<whole {
                let record = block[position * recordSize..<(position + 1) * recordSize]
                let label = try checkedLabel(record, path, records + position)
                if labels.count < limit {
                    labels.append(label)
                    appendInterleaved(record.dropFirst(labelClasses.count), to: &images)
                }
            }
            records += whole
            let rest = block.count - whole * recordSize
            if rest > 0 {
                throw .cutShort(
                    file: path, record: records, expected: (records + 1) * recordSize,
                    found: records * recordSize + rest)
            }
            if whole < recordsAtOnce { break }
        }
        if records == 0 { throw .empty(file: path) }
        return records
    }

    /// What a person should know of a file with another number of records than the published one, if it has.
    func warning(_ path: String, records: Int, _ split: DatasetSplit) -> [String] {
        let published = split == .train ? trainingRecords : testRecords
        return records == published ? [] : [otherCountWarning(path, records, published)]
    }

    private func checkedLabel(
        _ record: ArraySlice<UInt8>, _ path: String, _ number: Int
    ) throws(DatasetError) -> Int32 {
        var label = 0
        for (position, classes) in labelClasses.enumerated() {
            label = Int(record[record.startIndex + position])
            if label >= classes {
                throw .labelOutside(file: path, record: number, label: label, allowed: classes)
            }
        }
        return Int32(label)
    }

    /// Appends the pixels of three planes, red, green and blue, as one row-major image of three channels.
    private func appendInterleaved(_ planes: ArraySlice<UInt8>, to images: inout [UInt8]) {
        let start = planes.startIndex
        let pixels = CifarFormat.pixels
        images += [UInt8](unsafeUninitializedCapacity: CifarFormat.imageSize) { buffer, initialized in
            for pixel in 0..<pixels {
                for channel in 0..<3 { buffer[3 * pixel + channel] = planes[start + channel * pixels + pixel] }
            }
            initialized = CifarFormat.imageSize
        }
    }
}

/// What is said of a file that is not the published one.
func otherCountWarning(_ path: String, _ found: Int, _ published: Int) -> String {
    "\(path): \(found) images, the published file has \(published)"
}
