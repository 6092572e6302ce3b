/// What one router did in a recorded pass.
public final class RouterRecord {
    /// What it did with one shard.
    public struct Shard {
        /// Softmax probabilities, `[images][experts]`; empty when the router was bypassed.
        public let scores: [Float]
        /// Their logarithms.
        public let logScores: [Float]
        /// The routes taken.
        public let routes: Routes
        /// This shard's part of the global sums.
        public let sums: RouterSums
        /// What its experts gave; of no images unless the variance of outputs is weighed.
        var outputs: ExpertOutputs
    }
    /// The path of the mixture layer.
    public let layer: String
    /// Its experts.
    public let experts: Int
    /// Its settings.
    public let settings: RouterSettings
    /// One entry for each shard of this rank.
    public private(set) var perShard: [Shard]
    /// The sums over the global batch, once the record is settled.
    public private(set) var global: RouterSums
    /// What experts gave for the global batch, once settled.
    private var globalOutputs: ExpertOutputs
    /// The images of the global batch, where the pass is carried back before its record is settled.
    private let globalImages: Int?
    /// Σ over all shards of images times the shard's own loss, once settled: what local statistics report.
    private var localLosses = 0.0

    init(layer: String, settings: RouterSettings, perShard: [Shard], globalImages: Int?) {
        self.globalImages = globalImages
        self.layer = layer
        self.settings = settings
        self.perShard = perShard
        experts = settings.experts
        global = RouterSums(experts: experts)
        globalOutputs = ExpertOutputs(experts: experts)
    }

    /// The weighted balancing losses: of the global batch, or the shards' own, each counted as often as it has images;
    /// 0 when the router was bypassed, whose sums hold no images.
    public var balanceLoss: Double {
        if global.images == 0 { return 0 }
        return settings.usesGlobalStatistics ? loss(global, globalOutputs) : localLosses / global.images
    }

    private func loss(_ sums: RouterSums, _ outputs: ExpertOutputs) -> Double {
        var result = settings.balanceWeight * settings.balance.value(sums)
        if settings.varianceWeight > 0 { result += settings.varianceWeight * outputs.loss }
        return result
    }

    /// The same router's records of several passes as one of more shards.
    init(merging parts: [RouterRecord]) {
        layer = parts[0].layer
        settings = parts[0].settings
        experts = parts[0].experts
        perShard = parts.flatMap(\.perShard)
        globalImages = parts[0].globalImages
        global = RouterSums(experts: experts)
        globalOutputs = ExpertOutputs(experts: experts)
    }

    func note(_ outputs: ExpertOutputs, shard: Int) { perShard[shard].outputs = outputs }

    /// The numbers that ``settle(_:)`` adds up over all shards.
    func list(shard: Int) -> [Double] {
        let own = perShard[shard]
        return own.sums.list + own.outputs.list + [own.sums.images * loss(own.sums, own.outputs)]
    }

    /// How many numbers ``list(shard:)`` holds.
    var length: Int { RouterSums.length(experts) + ExpertOutputs.length(experts) + 1 }

    /// Takes up the sums of ``list(shard:)`` over the global batch.
    func settle(_ list: ArraySlice<Double>) {
        let middle = list.startIndex + RouterSums.length(experts)
        global = RouterSums(list: list[..<middle], experts)
        globalOutputs = ExpertOutputs(list: list[middle..<list.endIndex - 1], experts)
        localLosses = list[list.endIndex - 1]
    }

    /// What a shard's gradient of the balancing loss is taken at, and the factor of the loss; nil without one.
    func balanceGradient(shard: Int) -> (sums: RouterSums, weight: Double)? {
        if settings.balance == .none { return nil }
        if settings.usesGlobalStatistics { return (global, settings.balanceWeight) }
        let own = perShard[shard].sums
        return (own, settings.balanceWeight * own.images / max(1, globalImages.map(Double.init) ?? global.images))
    }

    /// The gradient of the loss of outputs' variance with respect to each element of an expert's outputs, `[experts]`.
    func outputGradient(shard: Int) -> [Float]? {
        let images = globalImages.map(Double.init) ?? global.images
        if settings.varianceWeight == 0 || images == 0 { return nil }
        if settings.usesGlobalStatistics {
            return globalOutputs.gradient.map { Float(settings.varianceWeight * $0) }
        }
        let own = perShard[shard]
        let weight = settings.varianceWeight * own.sums.images / images
        return own.outputs.gradient.map { Float(weight * $0) }
    }
}
