/// A network's shape.
public struct NetworkSettings: Hashable, Sendable {
    /// How the layers are put together.
    public enum Architecture: Hashable, Sendable {
        /// Residual blocks that end in a ReLU (He et al., arXiv:1512.03385), with torchvision's names; stages double the
        /// channels.
        case resNet(Block)
        /// Residual blocks with batch norm and ReLU in front of two 3×3 convolutions, and one more of each behind the
        /// last block (He et al., arXiv:1603.05027); the stem of 3×3 has neither. Stages double the channels.
        case preactivationResNet
        /// The same blocks, `widening` times as wide as the stem, in three stages (Zagoruyko and Komodakis,
        /// arXiv:1605.07146), with the names of the authors' and most robustness codes.
        case wideResNet(widening: Int)
        /// 3×3 convolutions with batch norm and ReLU; 2×2 max-pooling between stages, the channels doubling up to eight
        /// times; three linear layers over a 2×2 map (arXiv:1409.1556; torchvision's names of VGG-BN).
        case vgg
        /// Dense layers with bottlenecks, `width` channels from the stem, half as many from each layer; between blocks a
        /// 1×1 convolution to half the channels and 2×2 average pooling (DenseNet-BC, arXiv:1608.06993).
        case denseNet
    }

    /// What a residual block of ``Architecture/resNet(_:)`` is made of.
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
    public enum Stem: String, CaseIterable, Sendable {
        /// One 3×3 convolution of stride 1.
        case cifar
        /// One 7×7 convolution of stride 2 with batch norm and ReLU, then 3×3 max-pooling of stride 2.
        case imagenet
    }

    /// How the layers are put together.
    public var architecture: Architecture
    /// Of each stage: residual blocks, convolutions of a VGG, or layers of a DenseNet.
    public var blocks: [Int]
    /// What stands before the first stage.
    public var stem: Stem
    /// Channels of the first stage (of a DenseNet: of the stem), from which all others follow, before the ratio.
    public var width: Int
    /// What every number of channels is multiplied by, and then truncated: those of images, of the classifier's hidden
    /// layers and of the classes aside.
    public var ratio: Double
    /// Channels of the images.
    public var channels: Int
    /// Their rows and columns, if known: then layers are checked against the maps that they will see, and counted.
    public var imageSize: MapSize?
    /// Classes.
    public var classes: Int
    /// What is subtracted from each image channel, and what it is then divided by.
    public var mean: [Float]
    /// See ``mean``.
    public var deviation: [Float]
    /// The mixture layers, if any.
    public var mixture: MixtureSettings?
    /// Whether pre-activation blocks that change the channels feed their first convolution and their shortcut with the
    /// block's input itself, as the released AdvMoE code does by mistake.
    ///
    /// The block's first batch norm then follows the batch without any effect, and is not trained.
    public var skipsFirstActivation: Bool
    /// How first weights are drawn.
    public var initialization: Initialization
    /// The filters, rising from 0, that pruned convolutions keep of those that the settings above ask for, by path; others
    /// keep all.
    public var keptFilters: [String: [Int]]

    /// Makes settings.
    ///
    /// `blocks` is [2, 2, 2, 2] for ResNet-18, [3, 4, 6, 3] for ResNet-34 and ResNet-50, [3, 4, 23, 3] for ResNet-101,
    /// [4, 4, 4] for WRN-28, [2, 2, 2] for WRN-16, [2, 2, 3, 3, 3] for VGG-16 and [6, 6, 6] for DenseNet-BC-40; `width`
    /// is 24 for that, 16 times the widening for a wide ResNet, and 64 for the others.
    public init(
        _ architecture: Architecture = .resNet(.basic), blocks: [Int], stem: Stem = .cifar, width: Int = 64,
        ratio: Double = 1, channels: Int, imageSize: MapSize? = nil, classes: Int, mean: [Float], deviation: [Float],
        mixture: MixtureSettings? = nil, skipsFirstActivation: Bool = false,
        initialization: Initialization = .pytorch, keptFilters: [String: [Int]] = [:]
    ) {
        self.architecture = architecture
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
        self.skipsFirstActivation = skipsFirstActivation
        self.initialization = initialization
        self.keptFilters = keptFilters
    }

    /// A number of channels times the ratio, truncated.
    func scaled(_ channels: Int) -> Int { Int(ratio * Double(channels)) }
}
