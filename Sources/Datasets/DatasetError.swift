import Files

/// Why a data set cannot be used; the command ends with exit code 3.
///
/// Records are counted from 0, sizes are in bytes after decompression.
package enum DatasetError: ErrorWithStatus, Equatable, Sendable {
    /// The data set needs `data.path` and has none.
    case pathNeeded(dataset: DatasetName)
    /// No folder holds the files; `folders` are the places looked at.
    case notFound(dataset: DatasetName, wanted: String, folders: [String])
    /// Numbered files have a gap.
    case gap(folder: String, missing: [String], found: [String])
    /// The system could not open or read the file.
    case unreadable(file: String, reason: String)
    /// The file's gzip data are damaged or end early.
    case damaged(file: String, reason: String)
    /// The file ends before its header does.
    case headerCutShort(file: String, expected: Int, found: Int)
    /// The file ends inside a record.
    case cutShort(file: String, record: Int, expected: Int, found: Int)
    /// The file goes on after its last record.
    case tooLong(file: String, records: Int, expected: Int, found: Int)
    /// The file is of another kind than its name says.
    case wrongMagic(file: String, expected: UInt32, found: UInt32)
    /// The images have another size than the data set's.
    case wrongImageSize(file: String, expected: String, found: String)
    /// A label names no class.
    case labelOutside(file: String, record: Int, label: Int, allowed: Int)
    /// Two files that belong together hold different numbers of records.
    case countMismatch(imageFile: String, images: Int, labelFile: String, labels: Int)
    /// The file holds no record.
    case empty(file: String)
    /// A folder of images, or a list of them, is not as it has to be.
    case unusableTree(folder: String, reason: String)
    /// Image files cannot be decoded.
    case corruptImages(folder: String, images: [CorruptImage], read: Int)
    /// The images of a split do not fit into the memory that the ranks of a host have.
    case exceedsMemory(place: String, bytes: Int, budget: MemoryBudget, advice: String)
    /// A pack is damaged or is none.
    case unusablePack(file: String, reason: String)
    /// A setting does not go with the images.
    case wrongSetting(key: String, value: String, allowed: String)
    /// Images are not those that a network was made for.
    case otherImages(String)
    /// More images are asked for than there are, or none.
    case wrongSampleCount(dataset: DatasetName, split: DatasetSplit, asked: Int, found: Int)
}

extension DatasetError: CustomStringConvertible {
    /// One sentence for the person who started the run.
    package var description: String {
        switch self {
        case .pathNeeded(let dataset):
            return "data set \(dataset.rawValue): data.path is needed, the folder that holds its files"
        case .notFound(let dataset, let wanted, let folders):
            return "data set \(dataset.rawValue): no \(wanted) in \(folders.joined(separator: " or "))"
        case .gap(let folder, let missing, let found):
            return "\(folder): \(missing.joined(separator: ", ")) is missing, "
                + "only \(found.joined(separator: ", ")) found; files must be numbered from 1 without a gap"
        case .unreadable(let file, let reason):
            return "\(file): cannot be read (\(reason))"
        case .damaged(let file, let reason):
            return "\(file): damaged gzip data (\(reason))"
        case .headerCutShort(let file, let expected, let found):
            return "\(file): ends inside its header, expected \(expected) bytes, found \(found)"
        case .cutShort(let file, let record, let expected, let found):
            return "\(file): ends inside record \(record), expected \(expected) bytes, found \(found)"
        case .tooLong(let file, let records, let expected, let found):
            return "\(file): goes on after its \(records) records, expected \(expected) bytes, found \(found)"
        case .wrongMagic(let file, let expected, let found):
            return "\(file): expected the IDX number \(hexadecimal(expected)), found \(hexadecimal(found))"
        case .wrongImageSize(let file, let expected, let found):
            return "\(file): expected images of \(expected) pixels, found \(found)"
        case .labelOutside(let file, let record, let label, let allowed):
            return "\(file): record \(record) has label \(label), allowed are 0 to \(allowed - 1)"
        case .countMismatch(let imageFile, let images, let labelFile, let labels):
            return "\(imageFile) holds \(images) images but \(labelFile) \(labels) labels"
        case .empty(let file):
            return "\(file): holds no image"
        case .unusableTree(let folder, let reason):
            return "\(folder): \(reason)"
        case .corruptImages(let folder, let images, let read):
            return "\(folder): \(images.count) of \(read) images cannot be decoded: \(CorruptImage.few(images)); "
                + "data.corrupt=skip leaves such images out"
        case .exceedsMemory(let place, let bytes, let budget, let advice):
            let ranks = budget.ranks == 1 ? "" : " in each of \(budget.ranks) ranks of a host"
            return "\(place): images of \(bytes >> 20) MiB\(ranks), expected at most half of the "
                + "\(budget.bytes >> 20) MiB of memory that the host or the job has"
                + (advice.isEmpty ? "" : "; \(advice)")
        case .unusablePack(let file, let reason):
            return "\(file): \(reason)"
        case .wrongSetting(let key, let value, let allowed):
            return "\(key) is \(value), allowed is \(allowed)"
        case .otherImages(let text):
            return text
        case .wrongSampleCount(let dataset, let split, let asked, let found):
            return "data set \(dataset.rawValue): data.\(split.rawValue)_samples is \(asked), "
                + "allowed are 1 to \(found), the images that were found"
        }
    }

    package var exitStatus: ExitStatus { .data }

    private func hexadecimal(_ value: UInt32) -> String {
        "0x" + withUnsafeBytes(of: value.bigEndian) { $0.hexadecimal }
    }
}
