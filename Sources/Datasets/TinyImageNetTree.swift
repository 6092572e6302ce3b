import Files

/// The folder of Tiny-ImageNet as it is published: `wnids.txt`, `words.txt`, `train/WNID/images/*.JPEG`,
/// `val/images/*.JPEG` with `val/val_annotations.txt`.
///
/// Labels count the sorted WordNet numbers; classes are called by their words. The test images have no public labels, so
/// the validation images are the test split here, as everywhere.
/// Source: http://cs231n.stanford.edu/tiny-imagenet-200.zip
struct TinyImageNetTree {
    private let folder: String
    private let classes: [String]

    /// Reads the list of classes in the folder or in `tiny-imagenet-200` below it.
    init(_ path: String) throws(DatasetError) {
        let folders = [path, FileSystem.join(path, "tiny-imagenet-200")]
        guard let folder = folders.first(where: { FileSystem.isFile(FileSystem.join($0, "wnids.txt")) }) else {
            throw .notFound(dataset: .tinyImageNet, wanted: "wnids.txt", folders: folders)
        }
        self.folder = folder
        let lines = try textLines(FileSystem.join(folder, "wnids.txt"))
        classes = lines.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        guard !classes.isEmpty else { throw .empty(file: FileSystem.join(folder, "wnids.txt")) }
        guard Set(classes).count == classes.count else {
            throw .unusableTree(folder: FileSystem.join(folder, "wnids.txt"), reason: "a class stands there twice")
        }
    }

    /// Lists the files of a split.
    func tree(_ split: DatasetSplit) throws(DatasetError) -> ImageTree {
        ImageTree(
            folder: folder, split: split, classNames: try classNames(),
            filesOfClasses: split == .train ? try trainFiles() : try validationFiles(), warnings: [])
    }

    private func trainFiles() throws(DatasetError) -> [[String]] {
        let train = FileSystem.join(folder, "train")
        let found = try visibleNames(train).filter { FileSystem.isDirectory(FileSystem.join(train, $0)) }
        try ImageTree.requireSame(classes, found, expected: "wnids.txt", found: "train", in: folder)
        var others = OtherFiles()
        var filesOfClasses: [[String]] = []
        for name in classes {
            let files = try ImageTree.images(in: folder, below: "train/\(name)", &others)
            guard !files.isEmpty else {
                throw .unusableTree(folder: FileSystem.join(train, name), reason: "a class without a JPEG or PNG file")
            }
            filesOfClasses.append(files)
        }
        return filesOfClasses
    }

    private func validationFiles() throws(DatasetError) -> [[String]] {
        let file = FileSystem.join(folder, "val/val_annotations.txt")
        let labels = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($0.element, $0.offset) })
        var filesOfClasses = [[String]](repeating: [], count: classes.count)
        var named: Set<String> = []
        for (number, line) in try textLines(file).enumerated() {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count >= 2, !fields[0].isEmpty, !fields[0].contains("/") else {
                throw .unusableTree(folder: file, reason: "line \(number + 1) is no file and class, set apart by a tab")
            }
            guard let label = labels[fields[1]] else {
                throw .unusableTree(folder: file, reason: "line \(number + 1): \(fields[1]) is not in wnids.txt")
            }
            guard named.insert(fields[0]).inserted else {
                throw .unusableTree(folder: file, reason: "line \(number + 1): \(fields[0]) stands there twice")
            }
            filesOfClasses[label].append("val/images/\(fields[0])")
        }
        guard !named.isEmpty else { throw .empty(file: file) }
        let unnamed = try visibleNames(FileSystem.join(folder, "val/images")).filter { !named.contains($0) }
        guard unnamed.isEmpty else {
            throw .unusableTree(
                folder: FileSystem.join(folder, "val"),
                reason: "\(unnamed.count) images without a line in val_annotations.txt, such as \(unnamed[0])")
        }
        return filesOfClasses.map { files in files.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }
    }

    /// The words of each class, or its number where words.txt has none.
    private func classNames() throws(DatasetError) -> [String] {
        let file = FileSystem.join(folder, "words.txt")
        guard FileSystem.isFile(file) else { return classes }
        var words: [String: String] = [:]
        for line in try textLines(file) {
            let fields = line.split(separator: "\t", maxSplits: 1).map(String.init)
            if fields.count == 2 { words[fields[0]] = fields[1] }
        }
        return classes.map { words[$0] ?? $0 }
    }
}

/// The lines of a text without the empty ones and without the ends that other systems write.
private func textLines(_ path: String) throws(DatasetError) -> [String] {
    do {
        return try FileSystem.text(of: path).split(whereSeparator: \.isNewline).map(String.init)
    } catch {
        throw .unreadable(file: path, reason: error.reason)
    }
}
