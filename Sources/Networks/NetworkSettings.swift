/// Rows and columns of a map.
public struct MapSize: Hashable, Sendable {
    /// Rows.
    public var height: Int
    /// Columns.
    public var width: Int

    /// Makes a size.
    public init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }

    /// The size behind a convolution or pooling.
    func after(kernel: Int, stride: Int, padding: Int) -> MapSize {
        func side(_ size: Int) -> Int { (size + 2 * padding - kernel) / stride + 1 }
        return MapSize(height: side(height), width: side(width))
    }
}

/// A residual network's shape.
public struct NetworkSettings: Hashable, Sendable {
    /// What a residual block is made of.
    public enum Block: Hashable, Sendable {
        /// Two 3×3 convolutions.
        case basic
        /// 1×1, 3×3, 1×1 to four times the stage's channels; inside it has `widening` times the stage's channels
        /// (2 in a wide ResNet, arXiv:1605.07146, else 1).
        case bottleneck(widening: Int)

        /// Channels of the output, in units of the stage's.
        var expansion: Int {
            if case .bottleneck = self { 4 } else { 1 }
        }
    }

    /// What stands before the first stage.
    public enum Stem: Hashable, Sendable {
        /// One 3×3 convolution of stride 1.
        case cifar
        /// One 7×7 convolution of stride 2, then 3×3 max-pooling of stride 2.
        case imagenet
    }

    /// What a block is made of.
    public var block: Block
    /// Residual blocks of each stage.
    public var blocks: [Int]
    /// What stands before the first stage.
    public var stem: Stem
    /// Channels of the first stage; later stages double it.
    public var width: Int
    /// The factor of all widths, above 0 and at most 1 (AdvMoE's r); products are truncated.
    public var ratio: Double
    /// Channels of the images.
    public var channels: Int
    /// Their rows and columns, if known: then routers are checked against the maps that they will see.
    public var imageSize: MapSize?
    /// Classes.
    public var classes: Int
    /// What is subtracted from each image channel, and what it is then divided by.
    public var mean: [Float]
    /// See ``mean``.
    public var deviation: [Float]
    /// The mixture layers, if any.
    public var mixture: MixtureSettings?

    /// Makes settings; `blocks` is [2, 2, 2, 2] for ResNet-18, [3, 4, 6, 3] for ResNet-34 and ResNet-50, and
    /// [3, 4, 23, 3] for ResNet-101.
    public init(
        block: Block = .basic, blocks: [Int], stem: Stem = .cifar, width: Int = 64, ratio: Double = 1, channels: Int,
        imageSize: MapSize? = nil, classes: Int, mean: [Float], deviation: [Float], mixture: MixtureSettings? = nil
    ) {
        self.block = block
        self.blocks = blocks
        self.stem = stem
        self.width = width
        self.ratio = ratio
        self.channels = channels
        self.imageSize = imageSize
        self.classes = classes
        self.mean = mean
        self.deviation = deviation
        self.mixture = mixture
    }

    /// The channels that are left of so many.
    func scaled(_ channels: Int) -> Int { Int(ratio * Double(channels)) }
}
