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
    /// image itself (AdvMoE's router), or, with ``RouterScope/layer``, one such network whose pooled maps all layers share
    /// and a linear layer for each.
    case resnet20

    /// The layers of a router at a path, whose slots are registered below it.
    /// - Parameter inputs: Channels of what the experts see.
    func network(_ path: String, inputs: Int, experts: Int, _ parameters: Parameters) -> any RouterNetwork {
        switch self {
        case .gapLinear: LinearRouter.averaged(path, inputs: inputs, experts: experts, parameters)
        case .convGap(let kernel):
            LinearRouter.convolution(path, kernel: kernel, inputs: inputs, experts: experts, parameters)
        case .doubleConvGap(let kernel):
            DoubleConvolutionRouter(path, kernel: kernel, inputs: inputs, experts: experts, parameters)
        case .fixedProjection: LinearRouter.fixedProjection(path, inputs: inputs, experts: experts, parameters)
        case .firstChannels: FirstChannelsRouter(experts: experts)
        case .random: RandomRouter(experts: experts, stream: parameters.parameterCount)
        case .resnet20: ResidualRouter(path, inputs: inputs, experts: experts, parameters)
        }
    }
}
