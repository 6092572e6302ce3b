import Tensors

/// Count, Σ x and Σ x² of each channel.
struct ChannelMoments {
    var count: Double
    var sum: [Double]
    var squares: [Double]

    /// Count, sums and squares as one list, for adding up over the global batch.
    var list: [Double] { [count] + sum + squares }

    /// Whether all values were finite.
    var isFinite: Bool { sum.allSatisfy(\.isFinite) && squares.allSatisfy(\.isFinite) }

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
