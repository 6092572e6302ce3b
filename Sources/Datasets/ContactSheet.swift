import Files

/// A picture of the first images of each class, for a look at what the labels say.
///
/// The training images stand above the test images. Each class has the same number of places side by side, classes follow
/// each other in label order from left to right and from top to bottom; a row holds one class where there are twenty at most.
package struct ContactSheet {
    /// Places of a class: ten, fewer where there are many classes.
    package private(set) var imagesOfClass = 0
    private var cells: [DatasetSplit: [[[UInt8]]]] = [:]
    private var side = PictureSize(height: 0, width: 0)
    private var zoom = 1
    private var channels = 0
    private var classes = 0

    private static let (mostOfClass, placesInAll, columns) = (10, 400, 20)
    /// Sides in pixels between which cells are: small images are enlarged by whole numbers, large ones scaled down.
    private static let (least, most) = (64, 96)
    private static let (gap, gapOfSplits) = (2, 16)
    private static let ground: UInt8 = 128

    /// A sheet without images.
    package init() {}

    /// Takes what it needs from a block of images that come in their order.
    package mutating func add(_ block: StoredBlock, _ split: DatasetSplit) {
        if cells.isEmpty { setSizes(block) }
        let stored = PictureSize(height: block.window.storedHeight, width: block.window.storedWidth)
        let imageSize = stored.pixels * channels
        for (position, label) in block.labels.enumerated() {
            let cell = cells[split, default: Array(repeating: [], count: classes)][Int(label)]
            guard cell.count < imagesOfClass, let start = block.images.baseAddress else { continue }
            let image = UnsafeRawBufferPointer(start: start + position * imageSize, count: imageSize)
            cells[split, default: Array(repeating: [], count: classes)][Int(label)].append(scaled(image, stored))
        }
    }

    private mutating func setSizes(_ block: StoredBlock) {
        channels = block.traits.channels
        classes = block.traits.classes
        imagesOfClass = max(1, min(Self.mostOfClass, Self.placesInAll / max(1, classes)))
        let (height, width) = (block.window.storedHeight, block.window.storedWidth)
        let longer = max(height, width)
        zoom = max(1, Self.least / longer)
        side =
            longer <= Self.most
            ? PictureSize(height: height, width: width)
            : PictureSize(height: max(1, height * Self.most / longer), width: max(1, width * Self.most / longer))
    }

    private func scaled(_ image: UnsafeRawBufferPointer, _ stored: PictureSize) -> [UInt8] {
        guard side != stored, let start = image.baseAddress else { return Array(image) }
        return [UInt8](unsafeUninitializedCapacity: side.pixels * channels) { buffer, count in
            guard let destination = buffer.baseAddress else { return }
            var resizer = BilinearResizer()
            resizer.resize(
                start.assumingMemoryBound(to: UInt8.self), width: stored.width, channels: channels,
                Scaling(PicturePart(of: stored), to: side), into: destination)
            count = side.pixels * channels
        }
    }

    /// Makes a PNG file of the sheet; nil where there is no image.
    package func png() throws(DatasetError) -> [UInt8]? {
        guard !cells.isEmpty else { return nil }
        let columns = classes <= Self.columns ? imagesOfClass : imagesOfClass * max(1, Self.columns / imagesOfClass)
        let rows = (classes * imagesOfClass + columns - 1) / columns
        let (cellWidth, cellHeight) = (side.width * zoom + Self.gap, side.height * zoom + Self.gap)
        let width = columns * cellWidth + Self.gap
        let splits = DatasetSplit.allCases.compactMap { cells[$0] }
        let splitHeight = rows * cellHeight + Self.gap
        let height = splits.count * splitHeight + (splits.count - 1) * Self.gapOfSplits
        var pixels = [UInt8](repeating: Self.ground, count: height * width * channels)
        for (split, classes) in splits.enumerated() {
            for (label, images) in classes.enumerated() {
                for (image, bytes) in images.enumerated() {
                    let cell = label * imagesOfClass + image
                    let top = split * (splitHeight + Self.gapOfSplits) + cell / columns * cellHeight + Self.gap
                    let left = cell % columns * cellWidth + Self.gap
                    draw(bytes, top: top, left: left, width: width, into: &pixels)
                }
            }
        }
        return try pngFile(pixels, width: width, height: height)
    }

    private func draw(_ image: [UInt8], top: Int, left: Int, width: Int, into pixels: inout [UInt8]) {
        for y in 0..<side.height * zoom {
            for x in 0..<side.width * zoom {
                let source = (y / zoom * side.width + x / zoom) * channels
                let target = ((top + y) * width + left + x) * channels
                for channel in 0..<channels { pixels[target + channel] = image[source + channel] }
            }
        }
    }
}
