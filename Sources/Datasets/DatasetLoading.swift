import Files

/// Reads one part of a data set into memory and checks it.
///
/// CIFAR comes in its official binary files, MNIST and Fashion-MNIST in IDX files, each gzip or plain; `path` is their
/// folder or the one above it. Another number of images than the published files have is a warning. Files are read and checked whole, also where `samples` asks for a few images only. Fashion-MNIST
/// without a path is looked for where the package dataset-fashion-mnist of Debian and Ubuntu puts it. The synthetic set
/// reads no file, and makes as many images as are asked for. `folder` and `tiny-imagenet` are folders of image files,
/// which are decoded into memory, or packs, which stay in their file; of image files only as many as asked for are read.
/// - Parameters:
///   - name: The data set.
///   - path: Where its files are, or a pack; needed by all sets but `synthetic` and `fashion-mnist`.
///   - split: The published part that is wanted; of image files, validation images are the test split.
///   - samples: How many images to keep, the first in file order, which for image files goes round the classes; nil for
///     all.
///   - options: How image files and packs are read.
///   - progress: Called again and again while image files are decoded.
/// - Returns: The images, with warnings for a person in ``ImageSet/warnings``.
/// - Throws: ``DatasetError``: missing, damaged or mislabelled files, too few images.
package func loadDataset(
    _ name: DatasetName, path: String?, split: DatasetSplit, samples: Int? = nil,
    options: ImageFileOptions = ImageFileOptions(), progress: () -> Void = {}
) throws(DatasetError) -> ImageSet {
    switch name {
    case .cifar10, .cifar100:
        return try loadCifar(name, path, split, samples, options.memory)
    case .fashionMNIST, .mnist:
        return try loadIdx(name, path, split, samples, options.memory)
    case .tinyImageNet, .folder:
        return try loadFileImages(name, path, split, samples, options, progress)
    case .synthetic:
        let count = try checkedSamples(name, split, samples, found: nil)
        try options.memory.check(count, of: name.traits.imageSize, in: "data set \(name.rawValue)")
        return SyntheticImages().images(split, count: count)
    }
}

private let debianFashionFolder = "/usr/share/datasets/fashion-mnist"
private let wholeTrainingFiles = 5
private let wholeTrainingImages = 50_000
private let publishedIdxTraining = 60_000
private let publishedIdxTest = 10_000

private func loadCifar(
    _ name: DatasetName, _ path: String?, _ split: DatasetSplit, _ samples: Int?, _ memory: MemoryBudget
) throws(DatasetError) -> ImageSet {
    guard let path else { throw .pathNeeded(dataset: name) }
    let folders = [path, FileSystem.join(path, name == .cifar10 ? "cifar-10-batches-bin" : "cifar-100-binary")]
    let (folder, files) = try cifarFiles(name, folders, split)
    let format = name == .cifar10 ? CifarFormat.cifar10 : .cifar100
    var images: [UInt8] = []
    var labels: [Int32] = []
    let limit = max(0, samples ?? Int.max)
    let imageSize = name.traits.imageSize
    let expected = files.reduce(0) { $0 + ((try? InputFile(FileSystem.join(folder, $1)).size) ?? 0) } / imageSize
    images.reserveCapacity(min(limit, expected, memory.imagesOfRank / imageSize) * imageSize)
    var found = 0
    var warnings: [String] = []
    for file in files {
        let place = FileSystem.join(folder, file)
        let records = try format.append(place, limit: limit, budget: memory, images: &images, labels: &labels)
        found += records
        try memory.check(found, of: imageSize, in: folder)
        warnings += format.warning(place, records: records, split)
    }
    _ = try checkedSamples(name, split, samples, found: found)
    if name == .cifar10, split == .train, files.count < wholeTrainingFiles {
        warnings.append(
            "\(folder): \(files.count) of \(wholeTrainingFiles) training files found "
                + "(\(files.joined(separator: ", "))), \(found) images; the whole set has \(wholeTrainingImages)")
    }
    return ImageSet(
        name: name, split: split, traits: name.traits, images: images, labels: labels, warnings: warnings)
}

/// Returns the first folder that has files of the split, and their names in order.
private func cifarFiles(
    _ name: DatasetName, _ folders: [String], _ split: DatasetSplit
) throws(DatasetError) -> (folder: String, files: [String]) {
    if name == .cifar10 && split == .train {
        for folder in folders {
            let numbers = batchNumbers(folder)
            guard let last = numbers.last else { continue }
            let missing = (1...last).filter { !numbers.contains($0) }
            if !missing.isEmpty {
                throw .gap(folder: folder, missing: missing.map(batchName), found: numbers.map(batchName))
            }
            return (folder, numbers.map(batchName))
        }
        throw .notFound(dataset: name, wanted: "data_batch_1.bin", folders: folders)
    }
    let file = name == .cifar10 ? "test_batch.bin" : split == .train ? "train.bin" : "test.bin"
    guard let folder = folders.first(where: { FileSystem.isFile(FileSystem.join($0, file)) }) else {
        throw .notFound(dataset: name, wanted: file, folders: folders)
    }
    return (folder, [file])
}

private func batchName(_ number: Int) -> String { "data_batch_\(number).bin" }

/// Returns the numbers of a folder's CIFAR-10 training files, ascending; none where the folder cannot be listed.
private func batchNumbers(_ folder: String) -> [Int] {
    let names = (try? FileSystem.entries(of: folder)) ?? []
    return names.compactMap { name in
        guard let number = Int(name.dropFirst("data_batch_".count).dropLast(".bin".count)), number > 0 else {
            return nil
        }
        return name == batchName(number) ? number : nil
    }.sorted()
}

private func loadIdx(
    _ name: DatasetName, _ path: String?, _ split: DatasetSplit, _ samples: Int?, _ memory: MemoryBudget
) throws(DatasetError) -> ImageSet {
    guard let path = path ?? (name == .fashionMNIST ? debianFashionFolder : nil) else {
        throw .pathNeeded(dataset: name)
    }
    let folders = [path, FileSystem.join(path, name.rawValue)]
    let prefix = split == .train ? "train" : "t10k"
    let files = IdxFiles(
        imagePath: try idxFile(name, "\(prefix)-images-idx3-ubyte", folders),
        labelPath: try idxFile(name, "\(prefix)-labels-idx1-ubyte", folders))
    let (images, labels) = try files.read(name.traits, memory)
    let kept = try checkedSamples(name, split, samples, found: labels.count)
    let published = split == .train ? publishedIdxTraining : publishedIdxTest
    return ImageSet(
        name: name, split: split, traits: name.traits, images: Array(images.prefix(kept * name.traits.imageSize)),
        labels: Array(labels.prefix(kept)),
        warnings: labels.count == published ? [] : [otherCountWarning(files.imagePath, labels.count, published)])
}

private func idxFile(
    _ name: DatasetName, _ file: String, _ folders: [String]
) throws(DatasetError) -> String {
    let candidates = folders.flatMap { [FileSystem.join($0, file), FileSystem.join($0, file + ".gz")] }
    guard let found = candidates.first(where: FileSystem.isFile) else {
        throw .notFound(dataset: name, wanted: "\(file) or \(file).gz", folders: folders)
    }
    return found
}

/// Returns the number of images to keep; `found` is nil where any number can be made.
func checkedSamples(
    _ name: DatasetName, _ split: DatasetSplit, _ asked: Int?, found: Int?
) throws(DatasetError) -> Int {
    let available = found ?? SyntheticImages.defaultCount(split)
    let kept = asked ?? available
    if kept < 1 || kept > (found ?? Int.max) {
        throw .wrongSampleCount(dataset: name, split: split, asked: kept, found: available)
    }
    return kept
}
