/// What a pass learned about this rank's part of the batch: moments for the running statistics and the use of experts.
///
/// Layers append to it during the forward pass; ``settle(extra:_:_:)`` then adds everything up over the global batch in
/// one go, and returns what the backward pass needs of it.
public final class PassRecord {
    struct NormEntry {
        let norm: BatchNorm
        let perShard: [ChannelMoments]
        /// Known already when the layer itself asked for global moments.
        let global: ChannelMoments?
    }
    var norms: [NormEntry] = []

    /// One record for each router, in the order of the layers.
    public internal(set) var routers: [RouterRecord] = []

    /// Whether all scores of routers and all values that batch norms saw are finite, for this rank's images.
    public var isFinite: Bool {
        routers.allSatisfy(\.isFinite) && norms.allSatisfy { $0.perShard.allSatisfy(\.isFinite) }
    }

    /// Makes an empty record, for one pass.
    public init() {}

    /// Makes one record of passes over parts of a batch, as if the parts were shards of one pass.
    public init(merging parts: [PassRecord]) {
        guard let first = parts.first else { return }
        norms = first.norms.indices.map { index in
            NormEntry(norm: first.norms[index].norm, perShard: parts.flatMap { $0.norms[index].perShard }, global: nil)
        }
        routers = first.routers.indices.map { index in RouterRecord(merging: parts.map { $0.routers[index] }) }
    }

    /// Takes down what a router's experts gave, `[shard]`.
    func note(_ outputs: [ExpertOutputs], layer: String) {
        guard let index = routers.lastIndex(where: { $0.layer == layer }) else { return }
        for (shard, outputs) in outputs.enumerated() { routers[index].note(outputs, shard: shard) }
    }

    /// What the pass is carried back with while sums over the global batch are not known, as where a batch is run in parts;
    /// only where no router has a balancing loss of the global batch.
    /// - Parameter globalImages: The images of the global batch.
    public func localTerms(globalImages: Int) -> BalanceTerms {
        BalanceTerms(local: routers, globalImages: globalImages)
    }

    /// Adds up all sums over the global batch, and updates the running statistics with the global moments, if all of these
    /// are finite.
    ///
    /// Every rank calls this once after the forward pass, with the same layers and as many extra numbers.
    /// - Parameter extra: Further numbers to add up, one list a shard.
    /// - Returns: The sums of the extra numbers over the global batch, and those of the pass.
    public func settle(
        extra: [[Double]], _ statistics: any BatchStatistics, _ parameters: Parameters
    ) throws -> (totals: [Double], settled: SettledRecord) {
        var lists = extra
        let open = norms.filter { $0.global == nil }
        for shard in lists.indices {
            for entry in open { lists[shard] += entry.perShard[shard].list }
            for router in routers { lists[shard] += router.list(shard: shard) }
        }
        let sums = try statistics.sum(lists, for: "the whole pass")
        var position = extra.first?.count ?? 0
        let totals = Array(sums[..<position])
        func take(_ count: Int) -> ArraySlice<Double> {
            defer { position += count }
            return sums[position..<position + count]
        }
        let moments = norms.map { entry in
            (norm: entry.norm, moments: entry.global ?? ChannelMoments(list: take(1 + 2 * entry.norm.channels)))
        }
        if !norms.isEmpty, moments.allSatisfy(\.moments.isFinite) {
            parameters.update([]) { for (norm, moments) in moments { norm.updateRunningStatistics(moments, $0) } }
        }
        let settled = routers.map { $0.settled(take($0.length)) }
        let balance = BalanceTerms(routers, settled)
        return (totals, SettledRecord(routers: settled, balance: balance, moments: moments))
    }
}
