import Tensors

/// Count, Σ x and Σ x² of each channel.
struct ChannelMoments {
    var count: Double
    var sum: [Double]
    var squares: [Double]

    /// Count, sums and squares as one list, for adding up over the global batch.
    var list: [Double] { [count] + sum + squares }

    init(count: Double, sum: [Double], squares: [Double]) {
        self.count = count
        self.sum = sum
        self.squares = squares
    }

    /// Adds the moments of further values of the same channels.
    mutating func add(_ other: ChannelMoments) {
        count += other.count
        for channel in sum.indices {
            sum[channel] += other.sum[channel]
            squares[channel] += other.squares[channel]
        }
    }

    /// Moments from sums of x − center and of its squares.
    ///
    /// The sums are made in Float around a value near the mean and moved to 0 in Double: around 0 a mean of a hundred
    /// deviations would cost the variance four digits.
    init(count: Int, _ sums: ChannelSums, around center: [Float]) {
        let count = Double(count)
        let center = center.map(Double.init)
        self.init(
            count: count, sum: center.indices.map { sums.sum[$0] + count * center[$0] },
            squares: center.indices.map { channel in
                sums.product[channel] + center[channel] * (2 * sums.sum[channel] + count * center[channel])
            })
    }

    init(list: ArraySlice<Double>) {
        let channels = (list.count - 1) / 2
        let first = list.startIndex
        self.init(
            count: list[first], sum: Array(list[(first + 1)..<(first + 1 + channels)]),
            squares: Array(list[(first + 1 + channels)...]))
    }
}

/// What a training pass learned about the batch: moments for the running statistics and the use of experts.
///
/// Layers append to it during the forward pass; ``settle(extra:_:_:)`` then adds everything up over the global batch in
/// one go. The backward pass of balancing losses needs the settled sums.
public final class PassRecord {
    struct NormEntry {
        let norm: BatchNorm
        let perShard: [ChannelMoments]
        /// Known already when the layer itself asked for global moments.
        let global: ChannelMoments?
    }
    var norms: [NormEntry] = []
    /// The global moments that ``settle(extra:_:_:)`` found.
    private var settled: [(norm: BatchNorm, moments: ChannelMoments)] = []

    /// One record for each router, in the order of the layers.
    public internal(set) var routers: [RouterRecord] = []

    /// The images of the global batch, where the pass is carried back before the record is settled.
    let globalImages: Int?

    /// Makes an empty record.
    /// - Parameter globalImages: The images of the global batch, needed if the pass is carried back before the record is
    ///   settled; statistics of the global batch are then not to be had.
    public init(globalImages: Int? = nil) { self.globalImages = globalImages }

    /// Makes one record, not settled, of passes over parts of a batch, as if the parts were shards of one pass.
    public init(merging parts: [PassRecord]) {
        globalImages = nil
        guard let first = parts.first else { return }
        norms = first.norms.indices.map { index in
            NormEntry(norm: first.norms[index].norm, perShard: parts.flatMap { $0.norms[index].perShard }, global: nil)
        }
        routers = first.routers.indices.map { index in RouterRecord(merging: parts.map { $0.routers[index] }) }
    }

    /// Adds up all sums over the global batch, updates the running statistics with the global moments, and fills the
    /// routers' global sums.
    ///
    /// Every rank calls this once after the forward pass, with the same layers and as many extra numbers.
    /// - Parameter extra: Further numbers to add up, one list a shard.
    /// - Returns: The sums of the extra numbers over the global batch.
    public func settle(
        extra: [[Double]], _ statistics: any BatchStatistics, _ parameters: Parameters
    ) throws -> [Double] {
        var lists = extra
        let open = norms.filter { $0.global == nil }
        for shard in lists.indices {
            for entry in open { lists[shard] += entry.perShard[shard].list }
            for router in routers { lists[shard] += router.list(shard: shard) }
        }
        let sums = try statistics.sum(lists)
        var position = extra.first?.count ?? 0
        let result = Array(sums[..<position])
        func take(_ count: Int) -> ArraySlice<Double> {
            defer { position += count }
            return sums[position..<position + count]
        }
        for entry in norms {
            let moments = entry.global ?? ChannelMoments(list: take(1 + 2 * entry.norm.channels))
            settled.append((entry.norm, moments))
            entry.norm.updateRunningStatistics(moments, parameters)
        }
        for router in routers { router.settle(take(router.length)) }
        if !norms.isEmpty { parameters.noteChange(of: []) }
        return result
    }

    /// Moves the running statistics of a group once more, as another pass over the same batch with the same weights
    /// would.
    public func reapply(_ group: ParameterGroup, _ parameters: Parameters) {
        for (norm, moments) in settled where norm.weight.group == group {
            norm.updateRunningStatistics(moments, parameters)
        }
        parameters.noteChange(of: [])
    }
}
