import Files

/// The folder of Tiny-ImageNet as it is published: `wnids.txt`, `words.txt`, `train/WNID/images/*.JPEG`,
/// `val/images/*.JPEG` with `val/val_annotations.txt`.
///
/// Labels count the sorted WordNet numbers; classes are called by their words. The test images have no public labels, so
/// the validation images are the test split here, as everywhere.
/// Source: http://cs231n.stanford.edu/tiny-imagenet-200.zip
struct TinyImageNetTree {
    private let folder: String
    /// The WordNet numbers, sorted by their bytes, which are also the names of the classes' folders.
    private let classes: [FilePath]

    /// Reads the list of classes in the folder or in `tiny-imagenet-200` below it.
    init(_ path: String) throws(DatasetError) {
        let folders = [path, FileSystem.join(path, "tiny-imagenet-200")]
        guard let folder = folders.first(where: { FileSystem.isFile(FileSystem.join($0, "wnids.txt")) }) else {
            throw .notFound(dataset: .tinyImageNet, wanted: "wnids.txt", folders: folders)
        }
        self.folder = folder
        classes = try textLines(FileSystem.join(folder, "wnids.txt")).map { FilePath(bytes: $0) }.sorted()
        guard !classes.isEmpty else { throw .empty(file: FileSystem.join(folder, "wnids.txt")) }
        guard Set(classes).count == classes.count else {
            throw .unusableTree(folder: FileSystem.join(folder, "wnids.txt"), reason: "a class stands there twice")
        }
    }

    /// Lists the files of a split.
    func tree(_ split: DatasetSplit) throws(DatasetError) -> ImageTree {
        var listing = ImageListing(folder)
        let files = split == .train ? try trainFiles(&listing) : try validationFiles()
        return ImageTree(
            folder: folder, split: split, classNames: try classNames(), filesOfClasses: files,
            warnings: listing.warnings)
    }

    private func trainFiles(_ listing: inout ImageListing) throws(DatasetError) -> [[FilePath]] {
        let found = try listing.classFolders(in: "train")
        try ImageTree.requireSame(classes, found, expected: "wnids.txt", found: "train", in: folder)
        var filesOfClasses: [[FilePath]] = []
        for name in classes {
            // The places of the objects in the images are published beside them.
            let boxes = FilePath(bytes: name.bytes + "_boxes.txt".utf8)
            filesOfClasses.append(try listing.imagesOfClass(FilePath("train").appending(name), except: boxes))
        }
        return filesOfClasses
    }

    private func validationFiles() throws(DatasetError) -> [[FilePath]] {
        let file = FileSystem.join(folder, "val/val_annotations.txt")
        let labels = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($0.element, $0.offset) })
        let images = FilePath("val/images")
        var filesOfClasses = [[FilePath]](repeating: [], count: classes.count)
        var named: Set<FilePath> = []
        for (number, line) in try textLines(file).enumerated() {
            let fields = line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
                .map { FilePath(bytes: $0) }
            guard fields.count >= 2, let name = fields.first, !name.bytes.isEmpty,
                !name.bytes.contains(UInt8(ascii: "/"))
            else {
                throw .unusableTree(folder: file, reason: "line \(number + 1) is no file and class, set apart by a tab")
            }
            guard let label = labels[fields[1]] else {
                throw .unusableTree(folder: file, reason: "line \(number + 1): \(fields[1]) is not in wnids.txt")
            }
            guard named.insert(name).inserted else {
                throw .unusableTree(folder: file, reason: "line \(number + 1): \(name) stands there twice")
            }
            filesOfClasses[label].append(images.appending(name))
        }
        guard !named.isEmpty else { throw .empty(file: file) }
        let unnamed = try visibleNames(FilePath(folder).appending(images)).filter { !named.contains($0) }
        guard unnamed.isEmpty else {
            throw .unusableTree(
                folder: FileSystem.join(folder, "val"),
                reason: "\(unnamed.count) images without a line in val_annotations.txt, such as \(unnamed[0])")
        }
        return filesOfClasses.map { $0.sorted() }
    }

    /// The words of each class, or its number where words.txt has none.
    private func classNames() throws(DatasetError) -> [String] {
        let file = FileSystem.join(folder, "words.txt")
        guard FileSystem.isFile(file) else { return classes.map(\.description) }
        var words: [FilePath: String] = [:]
        for line in try textLines(file) {
            let fields = line.split(separator: UInt8(ascii: "\t"), maxSplits: 1)
            if fields.count == 2 { words[FilePath(bytes: fields[0])] = String(decoding: fields[1], as: UTF8.self) }
        }
        return classes.map { words[$0] ?? $0.description }
    }
}

/// The lines of a text in bytes, without the empty ones and without the ends that other systems write.
private func textLines(_ path: String) throws(DatasetError) -> [ArraySlice<UInt8>] {
    do {
        let file = try InputFile(path)
        return try file.prefix(file.size).split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
    } catch {
        throw .unreadable(file: path, reason: error.reason)
    }
}
