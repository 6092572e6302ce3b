import Files

/// Images beside those of a data set, in its shape and of its classes (`data.extra`).
package struct ExtraImages {
    /// The images; labels are 0 where there are none.
    package let set: ImageSet
    /// Whether the source tells the images' classes.
    package let isLabelled: Bool
    /// Who has given the labels, where it was a network.
    package let labelsFrom: LabelOrigin?

    /// Loads the images of a source.
    ///
    /// A file is a pack, whose training images are meant; whatever data set it says it is of, its stored images must have the size of
    /// those of the data set, and its classes be the same. A folder holds a folder of images for each class, any that the data set has
    /// being enough, in `train` if it has that; one without such a folder holds images at any depth that nobody has labelled.
    /// - Parameters:
    ///   - path: The pack or the folder.
    ///   - beside: The data set.
    ///   - options: How image files are decoded; their size is that of the data set's stored images.
    ///   - progress: Called again and again while image files are decoded.
    /// - Throws: ``DatasetError``: other shapes or classes, damaged files, no image.
    package init(
        _ path: String, beside set: ImageSet, options: ImageFileOptions = ImageFileOptions(), progress: () -> Void = {}
    ) throws(DatasetError) {
        if FileSystem.isFile(path) {
            let pack = try ImagePack(path)
            try Self.check(pack.index, path, set)
            if pack.isHashedWhenOpened { try pack.verify(.train) }
            let (images, labels, sha256) = try pack.contents(.train)
            self.set = ImageSet(
                name: set.name, split: .train, traits: set.traits, window: set.window, images: images, labels: labels,
                warnings: [], contentDigest: sha256)
            (isLabelled, labelsFrom) = (true, pack.index.labelsFrom)
            return
        }
        let (tree, isLabelled) = try Self.tree(path, set)
        guard set.channels == 3 else {
            throw Self.other(path, "images of 3 channels", "\(set.channels)")
        }
        let images = TreeImages(
            tree: tree, size: PictureSize(height: set.window.storedHeight, width: set.window.storedWidth),
            mode: options.resizeMode ?? .shorterSide, loop: options.loop, memory: options.memory)
        let (pixels, labels, reading) = try decoded(images, tree.files.count, options, progress)
        self.set = ImageSet(
            name: set.name, split: .train, traits: set.traits, window: set.window, images: pixels, labels: labels,
            warnings: tree.warnings + reading.warnings(tree) + images.sizeWarning(reading.count))
        (self.isLabelled, labelsFrom) = (isLabelled, nil)
    }

    /// The images under labels that a network has given them.
    /// - Parameter weights: The SHA-256 of the network's weights.
    package func origin(weights: String) -> LabelOrigin { LabelOrigin(weights: weights, source: set.contentDigest) }

    /// The origin of the labels of a pack, if a network gave them; nil of anything else.
    package static func labelOrigin(ofPackAt path: String) -> LabelOrigin? { (try? ImagePack(path))?.index.labelsFrom }

    private static func other(_ path: String, _ found: String, _ expected: String) -> DatasetError {
        .otherImages("data.extra: \(path): found \(found), expected \(expected), as data.dataset has it")
    }

    private static func check(_ index: PackIndex, _ path: String, _ set: ImageSet) throws(DatasetError) {
        let (found, expected) = (
            [index.height, index.width, index.channels],
            [set.window.storedHeight, set.window.storedWidth, set.channels]
        )
        func text(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: " x ") }
        guard found == expected else { throw other(path, "images of \(text(found))", text(expected)) }
        guard index.classNames.count == set.classes else {
            throw other(path, "\(index.classNames.count) classes", "\(set.classes)")
        }
        for (number, (own, wanted)) in zip(index.classNames, set.classNames).enumerated() where own != wanted {
            throw other(path, "class \(number) called \(own)", wanted)
        }
    }

    /// The files of a folder, and whether they lie in folders of classes.
    private static func tree(_ path: String, _ set: ImageSet) throws(DatasetError) -> (ImageTree, Bool) {
        guard FileSystem.isDirectory(path) else {
            throw .unreadable(file: path, reason: "expected a pack or a folder of images as data.extra")
        }
        let root = FileSystem.isDirectory(FileSystem.join(path, "train")) ? FileSystem.join(path, "train") : path
        var listing = ImageListing(root)
        let folders = try listing.classFolders(in: ".")
        let known = Set(set.classNames)
        let isLabelled = folders.contains { known.contains($0.description) }
        var files: [[FilePath]] = []
        if isLabelled {
            if let stranger = folders.first(where: { !known.contains($0.description) }) {
                throw other(root, "a folder \(stranger) beside those of classes", "folders of classes alone")
            }
            for name in set.classNames {
                let folder = folders.first { $0.description == name }
                if let folder { files.append(try listing.images(folder)) } else { files.append([]) }
            }
        } else {
            // What lies in no class folder is all that there is here.
            listing = ImageListing(root)
            files = [try listing.images(".")]
        }
        guard files.contains(where: { !$0.isEmpty }) else {
            throw .unusableTree(folder: root, reason: "no JPEG or PNG file")
        }
        let tree = ImageTree(
            folder: root, split: .train, classNames: set.classNames, filesOfClasses: files, warnings: listing.warnings)
        return (tree, isLabelled)
    }
}
