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
    package func balanceLoss(_ sums: RouterSums, _ outputs: ExpertOutputs) -> Double {
        var result = balanceWeight * balance.value(sums)
        if varianceWeight > 0 { result += varianceWeight * outputs.loss }
        return result
    }
}
