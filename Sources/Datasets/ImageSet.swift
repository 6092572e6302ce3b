import Files
import Foundation
import Tensors

/// One part of a data set in memory, or in a file that is mapped into it: images as bytes, and their labels.
///
/// Every rank holds the whole set; which images a rank works on is the sampler's business.
package struct ImageSet: Sendable {
    /// The data set that the images are from.
    package let name: DatasetName
    /// The part of the data set.
    package let split: DatasetSplit
    /// Shape as networks see it, classes, normalisation and usual augmentation.
    package let traits: DatasetTraits
    /// The size of the stored images, and of the part of them that networks see.
    package let window: ImageWindow
    /// The pixels, 0 to 255, row-major NHWC: `[count, storedHeight, storedWidth, channels]`.
    package let images: Data
    /// The class of each image, in `0..<classes`.
    package let labels: [Int32]
    /// What a person should know about how the set was loaded, a sentence each.
    package let warnings: [String]
    /// The SHA-256 of the stored pixels and, after them, the labels in 32 bits, little-endian: the same wherever the images
    /// came from.
    package let contentDigest: String

    /// Makes a set of images that are stored in the size in which networks see them.
    package init(
        name: DatasetName, split: DatasetSplit, traits: DatasetTraits, images: [UInt8], labels: [Int32],
        warnings: [String] = []
    ) {
        self.init(
            name: name, split: split, traits: traits,
            window: ImageWindow(
                storedHeight: traits.height, storedWidth: traits.width, height: traits.height, width: traits.width),
            images: Data(images), labels: labels, warnings: warnings)
    }

    /// Makes a set of images of any stored size.
    /// - Parameter contentDigest: See ``contentDigest``, where it is known already.
    init(
        name: DatasetName, split: DatasetSplit, traits: DatasetTraits, window: ImageWindow, images: Data,
        labels: [Int32], warnings: [String], contentDigest: String? = nil
    ) {
        let storedSize = window.storedHeight * window.storedWidth * traits.channels
        precondition(
            images.count == labels.count * storedSize,
            "\(labels.count) labels need \(labels.count * storedSize) bytes of images, got \(images.count)")
        precondition(
            window.height == traits.height && window.width == traits.width,
            "a window of \(window.height) x \(window.width) for \(traits.height) x \(traits.width)")
        precondition(labels.allSatisfy { $0 >= 0 && $0 < traits.classes }, "a label is outside 0..<\(traits.classes)")
        self.name = name
        self.split = split
        self.traits = traits
        self.window = window
        self.images = images
        self.labels = labels
        self.warnings = warnings
        self.contentDigest = contentDigest ?? SplitDigest.of(images, labels)
    }

    /// A text that two ranks have in common where they hold the same images.
    package var fingerprint: String {
        "\(name.rawValue) \(split.rawValue), \(count) images, networks see \(height) x \(width), classes "
            + "\(ContentDigest(of: classNames.joined(separator: "\n").utf8).hexadecimal.prefix(12)), content \(contentDigest)"
    }

    /// The number of images.
    package var count: Int { labels.count }
    /// Rows of an image as networks see it.
    package var height: Int { traits.height }
    /// Columns of an image as networks see it.
    package var width: Int { traits.width }
    /// Channels of a pixel.
    package var channels: Int { traits.channels }
    /// The number of classes.
    package var classes: Int { traits.classes }
    /// The name of each class, in label order.
    package var classNames: [String] { traits.classNames }
    /// The published mean of each channel, images in [0, 1].
    package var mean: [Float] { traits.mean }
    /// The published standard deviation of each channel, images in [0, 1].
    package var standardDeviation: [Float] { traits.standardDeviation }

    /// Returns the images of the given indices without augmentation, for evaluation: their central windows.
    /// - Parameters:
    ///   - indices: The images wanted, in the order of the result; a range, or part of a list of indices.
    ///   - workspace: The memory that the tensor is taken from.
    /// - Returns: Images in [0, 1], `[indices, height, width, channels]`; their labels; their indices.
    package func chunk(
        _ indices: some Collection<Int>, workspace: Workspace
    ) -> (images: Tensor, labels: [Int32], indices: [Int]) {
        let tensor = Tensor(workspace, images: indices.count, height: height, width: width, channels: channels)
        for (position, index) in indices.enumerated() {
            write(index, .unchanged, to: tensor.pointer + position * traits.imageSize)
        }
        return (tensor, indices.map { labels[$0] }, Array(indices))
    }

    /// Writes the window of one image, shifted or scaled, mirrored and coloured as drawn, as floats in [0, 1]: byte / 255,
    /// NHWC.
    ///
    /// Pixels that lie outside of the stored image are 0. `destination` holds `imageSize` floats.
    func write(_ index: Int, _ draw: AugmentationDraw, to destination: UnsafeMutablePointer<Float>) {
        precondition(index >= 0 && index < count, "image \(index) of a set of \(count)")
        let storedSize = window.storedHeight * window.storedWidth * channels
        images.withUnsafeBytes { bytes in
            let stored = UnsafeRawBufferPointer(rebasing: bytes[index * storedSize..<(index + 1) * storedSize])
            if let part = draw.part {
                let size = PictureSize(height: height, width: width)
                withUnsafeTemporaryAllocation(of: UInt8.self, capacity: traits.imageSize) { scaled in
                    guard let start = scaled.baseAddress, let picture = stored.baseAddress else { return }
                    var resizer = BilinearResizer()
                    resizer.resize(
                        picture.assumingMemoryBound(to: UInt8.self), width: window.storedWidth, channels: channels,
                        Scaling(part, to: size), into: start)
                    write(UnsafeRawBufferPointer(scaled), size, top: 0, left: 0, draw.mirrored, to: destination)
                }
            } else {
                let size = PictureSize(height: window.storedHeight, width: window.storedWidth)
                let (top, left) = (window.top + draw.rows, window.left + draw.columns)
                write(stored, size, top: top, left: left, draw.mirrored, to: destination)
            }
        }
        draw.jitter?.apply(to: UnsafeMutableBufferPointer(start: destination, count: traits.imageSize), channels)
    }

    /// Writes a window of a picture of bytes as floats, with zeros for what lies outside of the picture.
    private func write(
        _ bytes: UnsafeRawBufferPointer, _ size: PictureSize, top: Int, left: Int, _ mirrored: Bool,
        to destination: UnsafeMutablePointer<Float>
    ) {
        var target = destination
        for y in 0..<height {
            let sourceY = top + y
            for x in 0..<width {
                let sourceX = left + (mirrored ? width - 1 - x : x)
                if sourceY >= 0 && sourceY < size.height && sourceX >= 0 && sourceX < size.width {
                    let source = (sourceY * size.width + sourceX) * channels
                    for channel in 0..<channels { target[channel] = Float(bytes[source + channel]) / 255 }
                } else {
                    target.update(repeating: 0, count: channels)
                }
                target += channels
            }
        }
    }
}
