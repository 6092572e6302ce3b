import Tensors

/// What becomes of image files that cannot be decoded.
package enum CorruptImagePolicy: String, CaseIterable, Sendable {
    /// They are an error, once all files have been read.
    case refuse
    /// They are left out, with a warning.
    case skip
}

/// An image file that is of no use.
package struct CorruptImage: Equatable, Sendable, CustomStringConvertible {
    /// The file within the data set's folder.
    package let file: String
    /// What is wrong with it.
    package let reason: String

    /// The file and what is wrong with it.
    package var description: String { "\(file) (\(reason))" }

    /// The first few of a list, for a sentence.
    static func few(_ images: [CorruptImage]) -> String {
        let shown = 5
        return images.prefix(shown).map(\.description).joined(separator: "; ")
            + (images.count > shown ? "; and \(images.count - shown) more" : "")
    }
}

/// How the files of data sets are read: image files, packs made of them, and what memory there is for any of them.
package struct ImageFileOptions: Sendable {
    /// The side of the stored images in pixels; nil means the data set's own.
    package var resize: Int?
    /// How pictures become squares of that side; nil means ``ResizeMode/shorterSide``, and of a pack the way it was made.
    package var resizeMode: ResizeMode?
    /// The side of the square part of a stored image that networks see; nil means the data set's own.
    package var crop: Int?
    /// What becomes of files that cannot be decoded.
    package var corrupt: CorruptImagePolicy
    /// The loop in which files are decoded.
    package var loop: ParallelLoop
    /// The memory that images may take.
    package var memory: MemoryBudget

    /// Collects options.
    package init(
        resize: Int? = nil, resizeMode: ResizeMode? = nil, crop: Int? = nil, corrupt: CorruptImagePolicy = .refuse,
        loop: ParallelLoop = ParallelLoop(threads: 1), memory: MemoryBudget = MemoryBudget()
    ) {
        self.resize = resize
        self.resizeMode = resizeMode
        self.crop = crop
        self.corrupt = corrupt
        self.loop = loop
        self.memory = memory
    }

    /// The images of a tree, in the size and the way wanted.
    func images(of tree: ImageTree, usualSide: Int) -> TreeImages {
        let side = resize ?? usualSide
        return TreeImages(
            tree: tree, size: PictureSize(height: side, width: side), mode: resizeMode ?? .shorterSide, loop: loop,
            memory: memory)
    }

    /// Returns the window in stored images of a size.
    ///
    /// Without ``crop`` it is 224 pixels of images stored at 256 (the recipe of ImageNet), and all of any other image.
    /// - Throws: ``DatasetError/wrongSetting(key:value:allowed:)`` for a window that is larger than the image.
    package func window(storedHeight: Int, storedWidth: Int) throws(DatasetError) -> ImageWindow {
        let isOfImageNet = storedHeight == 256 && storedWidth == 256
        let side = crop ?? (isOfImageNet ? 224 : nil)
        let largest = min(storedHeight, storedWidth)
        if let side, !(1...largest).contains(side) {
            throw .wrongSetting(
                key: "data.crop", value: "\(side)",
                allowed: "1 to \(largest) in images of \(storedHeight) x \(storedWidth)")
        }
        return ImageWindow(
            storedHeight: storedHeight, storedWidth: storedWidth, height: side ?? storedHeight,
            width: side ?? storedWidth)
    }
}

extension DatasetName {
    /// What a network of this data set is built for when no file is at hand, such as for timing.
    package func traits(_ options: ImageFileOptions) throws(DatasetError) -> DatasetTraits {
        guard let side = options.resize ?? usualSide else { return traits }
        let window = try options.window(storedHeight: side, storedWidth: side)
        return traits.sized(window, classNames: traits.classNames)
    }
}

extension DatasetTraits {
    /// The same with another size and other classes.
    func sized(_ window: ImageWindow, classNames: [String]) -> DatasetTraits {
        DatasetTraits(
            classNames: classNames, height: window.height, width: window.width, channels: channels, mean: mean,
            standardDeviation: standardDeviation, augmentations: augmentations)
    }
}
