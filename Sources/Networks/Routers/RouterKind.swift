/// How a router makes scores of what its experts see; one decision an image (robust-sparse-moes, "Routers").
///
/// All end in a softmax over the experts.
public enum RouterKind: Hashable, Sendable {
    /// Global average pooling, then a linear layer with bias.
    case gapLinear
    /// A convolution without padding and bias to one channel an expert, then global average pooling.
    case convGap(kernel: Int)
    /// A convolution to eight channels, batch norm, a convolution to one channel an expert, then global average pooling;
    /// no padding, no bias, no ReLU.
    case doubleConvGap(kernel: Int)
    /// Global average pooling, then inner products with fixed vectors drawn from N(0, 1).
    case fixedProjection
    /// Global average pooling, then the first channels themselves, one an expert.
    case firstChannels
    /// Scores drawn from N(0, 1) for each image: anew at every step in training passes, always the same otherwise.
    case random
    /// A ResNet-20 of widths 16, 32 and 64 with padded shortcuts, then global average pooling and a linear layer: on the
    /// image itself (AdvMoE's router).
    case resnet20

    /// Rows and columns that a map must have at least.
    var smallestMap: Int {
        switch self {
        case .convGap(let kernel): kernel
        case .doubleConvGap(let kernel): 2 * kernel - 1
        case .gapLinear, .fixedProjection, .firstChannels, .random, .resnet20: 1
        }
    }
}
