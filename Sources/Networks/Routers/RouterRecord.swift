/// What one router did in a recorded pass.
public struct RouterRecord: Sendable {
    /// What it did with one shard.
    public struct Shard: Sendable {
        /// Softmax probabilities, `[images][experts]`; empty when the router was bypassed.
        public let scores: [Float]
        /// Their logarithms.
        public let logScores: [Float]
        /// The routes taken.
        public let routes: Routes
        /// This shard's part of the global sums.
        public let sums: RouterSums
        /// What its experts gave; of no images unless the variance of outputs is weighed.
        package internal(set) var outputs: ExpertOutputs
    }
    /// The path of the mixture layer.
    public let layer: String
    /// Its settings.
    public let settings: RouterSettings
    /// One entry for each shard of this rank.
    public private(set) var perShard: [Shard]

    /// Whether all its scores of this rank's images are finite.
    public var isFinite: Bool { perShard.allSatisfy(\.sums.isFinite) }

    /// Its experts.
    public var experts: Int { settings.experts }

    init(layer: String, settings: RouterSettings, perShard: [Shard]) {
        self.layer = layer
        self.settings = settings
        self.perShard = perShard
    }

    /// The same router's records of several passes as one of more shards.
    init(merging parts: [RouterRecord]) {
        self.init(layer: parts[0].layer, settings: parts[0].settings, perShard: parts.flatMap(\.perShard))
    }

    mutating func note(_ outputs: ExpertOutputs, shard: Int) { perShard[shard].outputs = outputs }

    /// The numbers that are added up over all shards to settle the record.
    func list(shard: Int) -> [Double] {
        let own = perShard[shard]
        return own.sums.list + own.outputs.list
            + [own.sums.images * settings.balanceLoss(own.sums, own.outputs)]
    }

    /// How many numbers ``list(shard:)`` holds.
    var length: Int { RouterSums.length(experts) + ExpertOutputs.length(experts) + 1 }

    /// Takes up the sums of ``list(shard:)`` over the global batch.
    func settled(_ list: ArraySlice<Double>) -> SettledRouter {
        let middle = list.startIndex + RouterSums.length(experts)
        return SettledRouter(
            layer: layer, settings: settings, global: RouterSums(list: list[..<middle], experts),
            outputs: ExpertOutputs(list: list[middle..<list.endIndex - 1], experts),
            localLosses: list[list.endIndex - 1])
    }
}
