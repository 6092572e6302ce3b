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

/// How the experts of every mixture layer are chosen and balanced.
public struct RouterSettings: Hashable, Sendable {
    /// How scores are made.
    public var kind: RouterKind
    /// Experts of each layer.
    public var experts: Int
    /// From scores to routes.
    public var gate: Gate
    /// The balancing loss.
    public var balance: BalanceLoss
    /// Its weight.
    public var balanceWeight: Double
    /// The weight of the loss that wants experts' mean outputs to differ; see ``ExpertOutputs``.
    public var varianceWeight: Double
    /// Whether losses, noise and capacity see the global batch; otherwise each shard its own images.
    public var usesGlobalStatistics: Bool

    /// Makes settings; see the properties.
    public init(
        kind: RouterKind = .gapLinear, experts: Int, gate: Gate, balance: BalanceLoss, balanceWeight: Double,
        varianceWeight: Double = 0, usesGlobalStatistics: Bool = true
    ) {
        self.kind = kind
        self.experts = experts
        self.gate = gate
        self.balance = balance
        self.balanceWeight = balanceWeight
        self.varianceWeight = varianceWeight
        self.usesGlobalStatistics = usesGlobalStatistics
    }

    /// Whether any loss is weighed.
    var hasBalanceLoss: Bool { balance != .none || varianceWeight > 0 }

    /// The weighted losses at the sums of a batch.
    func balanceLoss(_ sums: RouterSums, _ outputs: ExpertOutputs) -> Double {
        var result = balanceWeight * balance.value(sums)
        if varianceWeight > 0 { result += varianceWeight * outputs.loss }
        return result
    }
}
