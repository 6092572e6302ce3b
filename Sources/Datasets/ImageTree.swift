import Files

/// The image files of one split and their classes, before any of them is opened.
///
/// Names are the file system's, in bytes, and sorted by them, so every rank lists the same. The order of the images is round the classes: the first
/// of every class, then the second of every class, so that the first n images are of all classes alike.
struct ImageTree {
    /// The folder that the files' paths start from.
    let folder: String
    /// The part of the data set.
    let split: DatasetSplit
    /// The name of each class, in label order, as it is shown: see `FilePath.description`.
    let classNames: [String]
    /// The path of each file within the folder.
    let files: [FilePath]
    /// The class of each file.
    let labels: [Int32]
    /// What a person should know, a sentence each.
    let warnings: [String]

    /// Puts the files of classes, sorted, into the order of the set.
    init(folder: String, split: DatasetSplit, classNames: [String], filesOfClasses: [[FilePath]], warnings: [String]) {
        self.folder = folder
        self.split = split
        self.classNames = classNames
        self.warnings = warnings
        var files: [FilePath] = []
        var labels: [Int32] = []
        for turn in 0..<(filesOfClasses.map(\.count).max() ?? 0) {
            for (label, own) in filesOfClasses.enumerated() where turn < own.count {
                files.append(own[turn])
                labels.append(Int32(label))
            }
        }
        self.files = files
        self.labels = labels
    }

    /// The path of a file.
    func path(_ index: Int) -> FilePath { FilePath(folder).appending(files[index]) }

    /// The folders in which the test images of a tree are looked for, the first that is there is taken.
    private static let testFolders: [FilePath] = ["val", "validation", "test"]

    /// Lists `train/CLASS/…` or `val/CLASS/…` (`validation`, `test`): the images at any depth below the class.
    ///
    /// The classes are the folders of `train`; those of the other split must be the same. Where there is no `train`, the
    /// other split can be had alone, and its folders are the classes.
    static func folders(_ path: String, _ split: DatasetSplit) throws(DatasetError) -> ImageTree {
        var listing = ImageListing(path)
        let (own, other) = try splitFolders(path, split)
        let classes = try listing.classFolders(in: own)
        guard !classes.isEmpty else {
            throw .unusableTree(folder: listing.folder.appending(own).description, reason: "no folder of a class")
        }
        if let other {
            var otherListing = ImageListing(path)
            let others = try otherListing.classFolders(in: other)
            let (train, test) = split == .train ? (classes, others) : (others, classes)
            try requireSame(train, test, expected: "train", found: "\(split == .train ? other : own)", in: path)
        }
        var filesOfClasses: [[FilePath]] = []
        for name in classes { filesOfClasses.append(try listing.imagesOfClass(own.appending(name))) }
        return ImageTree(
            folder: path, split: split, classNames: classes.map(\.description), filesOfClasses: filesOfClasses,
            warnings: listing.warnings)
    }

    /// The folder of a split, and that of the other one where it is there.
    private static func splitFolders(
        _ path: String, _ split: DatasetSplit
    ) throws(DatasetError) -> (own: FilePath, other: FilePath?) {
        func isThere(_ name: FilePath) -> Bool { FileSystem.isDirectory(FilePath(path).appending(name)) }
        let train: FilePath? = isThere("train") ? "train" : nil
        guard split == .test || train != nil else {
            throw .unusableTree(folder: path, reason: "no folder train with a folder for each class")
        }
        guard let test = testFolders.first(where: isThere) else {
            let names = testFolders.map(\.description).joined(separator: ", ")
            throw .unusableTree(folder: path, reason: "none of the folders \(names)")
        }
        if split == .train, let train { return (train, test) }
        return (test, train)
    }

    /// Throws where two lists of classes differ, naming the first few that do.
    static func requireSame(
        _ classes: [FilePath], _ others: [FilePath], expected: String, found: String, in folder: String
    ) throws(DatasetError) {
        func few(_ names: [FilePath]) -> String {
            names.prefix(3).map(\.description).joined(separator: ", ")
                + (names.count > 3 ? " and \(names.count - 3) more" : "")
        }
        let missing = classes.filter(Set(classes).subtracting(others).contains)
        let extra = others.filter(Set(others).subtracting(classes).contains)
        guard missing.isEmpty, extra.isEmpty else {
            var parts: [String] = []
            if !missing.isEmpty { parts.append("\(found) lacks \(few(missing)) of \(expected)") }
            if !extra.isEmpty { parts.append("\(expected) lacks \(few(extra)) of \(found)") }
            throw .unusableTree(folder: folder, reason: "classes differ: " + parts.joined(separator: "; "))
        }
    }
}
