import Files

/// The image files of one split and their classes, before any of them is opened.
///
/// Names are sorted by their bytes, so every rank lists the same. The order of the images is round the classes: the first
/// of every class, then the second of every class, so that the first n images are of all classes alike.
struct ImageTree {
    /// The folder that the files' paths start from.
    let folder: String
    /// The part of the data set.
    let split: DatasetSplit
    /// The name of each class, in label order.
    let classNames: [String]
    /// The path of each file within the folder.
    let files: [String]
    /// The class of each file.
    let labels: [Int32]
    /// What a person should know, a sentence each.
    let warnings: [String]

    /// Puts the files of classes, sorted, into the order of the set.
    init(folder: String, split: DatasetSplit, classNames: [String], filesOfClasses: [[String]], warnings: [String]) {
        self.folder = folder
        self.split = split
        self.classNames = classNames
        self.warnings = warnings
        var files: [String] = []
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
    func path(_ index: Int) -> String { FileSystem.join(folder, files[index]) }

    /// The folders in which the test images of a tree are looked for, the first that is there is taken.
    private static let testFolders = ["val", "validation", "test"]

    /// Lists `train/CLASS/…` or `val/CLASS/…` (`validation`, `test`): JPEG and PNG files at any depth below the class.
    ///
    /// The classes are the folders of `train`; those of the other split must be the same.
    static func folders(_ path: String, _ split: DatasetSplit) throws(DatasetError) -> ImageTree {
        let train = FileSystem.join(path, "train")
        guard FileSystem.isDirectory(train) else {
            throw .unusableTree(folder: path, reason: "no folder train with a folder for each class")
        }
        let classes = try classFolders(train)
        guard !classes.isEmpty else { throw .unusableTree(folder: train, reason: "no folder of a class") }
        guard let test = testFolders.first(where: { FileSystem.isDirectory(FileSystem.join(path, $0)) }) else {
            throw .unusableTree(folder: path, reason: "none of the folders \(testFolders.joined(separator: ", "))")
        }
        let testClasses = try classFolders(FileSystem.join(path, test))
        try requireSame(classes, testClasses, expected: "train", found: test, in: path)
        let folder = split == .train ? "train" : test
        var others = OtherFiles()
        var filesOfClasses: [[String]] = []
        for name in classes {
            let place = FileSystem.join(folder, name)
            let files = try images(in: path, below: place, &others)
            guard !files.isEmpty else {
                throw .unusableTree(
                    folder: FileSystem.join(path, place), reason: "a class without a JPEG or PNG file")
            }
            filesOfClasses.append(files)
        }
        return ImageTree(
            folder: path, split: split, classNames: classes, filesOfClasses: filesOfClasses,
            warnings: others.warning(FileSystem.join(path, folder)))
    }

    /// The folders in a folder, hidden ones left out.
    private static func classFolders(_ folder: String) throws(DatasetError) -> [String] {
        try visibleNames(folder).filter { FileSystem.isDirectory(FileSystem.join(folder, $0)) }
    }

    /// Throws where two lists of classes differ, naming the first few that do.
    static func requireSame(
        _ classes: [String], _ others: [String], expected: String, found: String, in folder: String
    ) throws(DatasetError) {
        func few(_ names: [String]) -> String {
            names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
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

    /// The image files below a place in a folder, as paths within the folder, sorted by their bytes.
    static func images(
        in folder: String, below place: String, _ others: inout OtherFiles, depth: Int = 0
    ) throws(DatasetError) -> [String] {
        // Links may lead in a circle.
        guard depth < 8 else { throw .unusableTree(folder: FileSystem.join(folder, place), reason: "folders 8 deep") }
        var files: [String] = []
        for name in try visibleNames(FileSystem.join(folder, place)) {
            let inner = FileSystem.join(place, name)
            switch ImageSuffix(name) {
            case .readable: files.append(inner)
            case .other: others.add(inner)
            case .none:
                if FileSystem.isDirectory(FileSystem.join(folder, inner)) {
                    files += try images(in: folder, below: inner, &others, depth: depth + 1)
                }
            }
        }
        return files
    }
}

/// Images of kinds that are not read, which are left out and counted.
struct OtherFiles {
    private var first: String?
    private var count = 0

    mutating func add(_ file: String) {
        first = first ?? file
        count += 1
    }

    func warning(_ folder: String) -> [String] {
        guard let first else { return [] }
        return ["\(folder): \(count) images that are neither JPEG nor PNG are left out, such as \(first)"]
    }
}

/// What the end of a file's name says.
private enum ImageSuffix {
    case readable
    case other
    case none

    init(_ name: String) {
        let suffix = name.split(separator: ".").last.map { $0.lowercased() } ?? ""
        switch suffix {
        case "jpg", "jpeg", "png": self = .readable
        case "bmp", "gif", "ppm", "pgm", "tif", "tiff", "webp", "jp2", "heic", "avif": self = .other
        default: self = .none
        }
    }
}

/// The names in a folder that do not begin with a dot, sorted by their bytes.
func visibleNames(_ folder: String) throws(DatasetError) -> [String] {
    do {
        return try FileSystem.entries(of: folder).filter { !$0.hasPrefix(".") }
    } catch {
        throw .unreadable(file: folder, reason: error.reason)
    }
}
