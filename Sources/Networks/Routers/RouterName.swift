/// How scores are made of a layer's input.
public enum RouterName: String, CaseIterable, Sendable {
    /// Global average pooling, then a linear layer.
    case gapLinear = "gap-linear"
    /// A convolution without padding, then global average pooling.
    case convGap = "conv-gap"
    /// Two convolutions without padding, batch norm between them, then global average pooling.
    case doubleConvGap = "double-conv-gap"
    /// Global average pooling, then inner products with fixed random vectors.
    case fixedProjection = "fixed-projection"
    /// Global average pooling, then the first channels themselves.
    case firstChannels = "first-channels"
    /// Numbers drawn for each image.
    case random
    /// A ResNet-20 on the image; with `scope: layer` one for all layers, with a linear head for each.
    case resnet20

    /// Whether it has parameters, and can learn.
    public var hasParameters: Bool {
        switch self {
        case .gapLinear, .convGap, .doubleConvGap, .resnet20: true
        case .fixedProjection, .firstChannels, .random: false
        }
    }

    /// The router.
    /// - Parameter kernel: Rows and columns of the filters of those that convolve maps.
    public func kind(kernel: Int) -> RouterKind {
        switch self {
        case .gapLinear: .gapLinear
        case .convGap: .convGap(kernel: kernel)
        case .doubleConvGap: .doubleConvGap(kernel: kernel)
        case .fixedProjection: .fixedProjection
        case .firstChannels: .firstChannels
        case .random: .random
        case .resnet20: .resnet20
        }
    }
}
