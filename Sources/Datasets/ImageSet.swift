import Tensors

/// One part of a data set in memory: images as bytes, and their labels.
///
/// Every rank holds the whole set; which images a rank works on is the sampler's business.
public struct ImageSet: Sendable {
    /// The data set that the images are from.
    public let name: DatasetName
    /// The part of the data set.
    public let split: DatasetSplit
    /// Shape, classes, normalisation and usual augmentation.
    public let traits: DatasetTraits
    /// The pixels, 0 to 255, row-major NHWC: `[count, height, width, channels]`.
    public let images: [UInt8]
    /// The class of each image, in `0..<classes`.
    public let labels: [Int32]
    /// What a person should know about how the set was loaded, a sentence each.
    public let warnings: [String]

    /// Makes a set of images that are in memory already.
    public init(
        name: DatasetName, split: DatasetSplit, traits: DatasetTraits, images: [UInt8], labels: [Int32],
        warnings: [String] = []
    ) {
        precondition(
            images.count == labels.count * traits.imageSize,
            "\(labels.count) labels need \(labels.count * traits.imageSize) bytes of images, got \(images.count)")
        precondition(labels.allSatisfy { $0 >= 0 && $0 < traits.classes }, "a label is outside 0..<\(traits.classes)")
        self.name = name
        self.split = split
        self.traits = traits
        self.images = images
        self.labels = labels
        self.warnings = warnings
    }

    /// The number of images.
    public var count: Int { labels.count }
    /// Rows of an image.
    public var height: Int { traits.height }
    /// Columns of an image.
    public var width: Int { traits.width }
    /// Channels of a pixel.
    public var channels: Int { traits.channels }
    /// The number of classes.
    public var classes: Int { traits.classes }
    /// The name of each class, in label order.
    public var classNames: [String] { traits.classNames }
    /// The published mean of each channel, images in [0, 1].
    public var mean: [Float] { traits.mean }
    /// The published standard deviation of each channel, images in [0, 1].
    public var standardDeviation: [Float] { traits.standardDeviation }

    /// Returns the images of the given indices as they are, without augmentation, for evaluation.
    /// - Parameters:
    ///   - indices: The images wanted, in the order of the result; a range, or part of a list of indices.
    ///   - workspace: The memory that the tensor is taken from.
    /// - Returns: Images in [0, 1], `[indices, height, width, channels]`; their labels; their indices.
    public func chunk(
        _ indices: some Collection<Int>, workspace: Workspace
    ) -> (images: Tensor, labels: [Int32], indices: [Int]) {
        let tensor = Tensor(workspace, images: indices.count, height: height, width: width, channels: channels)
        for (position, index) in indices.enumerated() {
            write(index, .unchanged, to: tensor.pointer + position * traits.imageSize)
        }
        return (tensor, indices.map { labels[$0] }, Array(indices))
    }

    /// Writes one image, shifted, mirrored and coloured as drawn, as floats in [0, 1]: byte / 255, NHWC.
    ///
    /// Pixels that the shift brings in from outside of the image are 0. `destination` holds `imageSize` floats.
    func write(_ index: Int, _ draw: AugmentationDraw, to destination: UnsafeMutablePointer<Float>) {
        precondition(index >= 0 && index < count, "image \(index) of a set of \(count)")
        images.withUnsafeBufferPointer { bytes in
            var target = destination
            for y in 0..<height {
                let sourceY = y + draw.rows
                for x in 0..<width {
                    let sourceX = (draw.mirrored ? width - 1 - x : x) + draw.columns
                    if sourceY >= 0 && sourceY < height && sourceX >= 0 && sourceX < width {
                        let source = ((index * height + sourceY) * width + sourceX) * channels
                        for channel in 0..<channels { target[channel] = Float(bytes[source + channel]) / 255 }
                    } else {
                        target.update(repeating: 0, count: channels)
                    }
                    target += channels
                }
            }
        }
        draw.jitter?.apply(to: UnsafeMutableBufferPointer(start: destination, count: traits.imageSize), channels)
    }
}
