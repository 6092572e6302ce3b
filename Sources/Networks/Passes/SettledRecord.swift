/// What a pass did with the global batch: a ``PassRecord`` whose sums are added up over all shards of all ranks.
public struct SettledRecord {
    /// One entry for each router, in the order of the layers; the same on every rank.
    public let routers: [SettledRouter]
    /// What the balancing losses are differentiated at in the pass's way back.
    public let balance: BalanceTerms
    /// The global moments of what each batch norm saw.
    let moments: [(norm: BatchNorm, moments: ChannelMoments)]

    /// Whether all moments of the global batch are finite.
    public var hasFiniteMoments: Bool { moments.allSatisfy(\.moments.isFinite) }

    /// Moves the running statistics of a group once more, as another pass over the same batch with the same weights
    /// would.
    public func reapply(_ group: ParameterGroup, _ parameters: Parameters) {
        parameters.update([]) {
            for (norm, moments) in moments where norm.weight.group == group {
                norm.updateRunningStatistics(moments, $0)
            }
        }
    }
}
