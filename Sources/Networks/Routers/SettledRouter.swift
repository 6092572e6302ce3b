/// What one router did with the global batch; the same on every rank.
public struct SettledRouter: Sendable {
    /// The path of the mixture layer.
    public let layer: String
    /// Its settings.
    public let settings: RouterSettings
    /// The sums over the global batch.
    public let global: RouterSums
    /// What experts gave for the global batch.
    let outputs: ExpertOutputs
    /// Σ over all shards of images times the shard's own loss: what local statistics report.
    let localLosses: Double

    /// Whether all scores of the global batch are finite.
    public var isFinite: Bool { global.isFinite }

    /// The weighted balancing losses: of the global batch, or the shards' own, each counted as often as it has images;
    /// 0 when the router was bypassed, whose sums hold no images.
    public var balanceLoss: Double {
        if global.images == 0 { return 0 }
        return settings.usesGlobalStatistics ? settings.balanceLoss(global, outputs) : localLosses / global.images
    }
}
