/// Two sums of each channel, `[channels]`, in Double.
public struct ChannelSums {
    /// Σ of the first factor.
    public var sum: [Double]
    /// Σ of the product of both factors (of the squares, where both are the same).
    public var product: [Double]

    /// Makes sums; both lists are `[channels]`.
    public init(sum: [Double], product: [Double]) {
        self.sum = sum
        self.product = product
    }
}

/// Memory-bound passes over NHWC tensors with per-channel coefficients.
///
/// Batch norm, ReLU and input normalisation are made of them. Each is one read of its inputs and one write, cut into chunks fixed by the shape.
public enum ChannelOperations {
    /// Computes y = x·scale + shift (+ addend), then ReLU if `rectifies`.
    ///
    /// Scale and shift are `[channels]`; `y` may be `x`.
    public static func affine(
        _ x: Tensor, scale: [Float], shift: [Float], addend: Tensor? = nil, rectifies: Bool = false, into y: Tensor
    ) {
        precondition(scale.count == x.channels && shift.count == x.channels, "coefficients must be [\(x.channels)]")
        let period = ChannelPeriod(x.channels)
        let a = period.expanded(scale)
        let b = period.expanded(shift)
        period.chunked(x.workspace.loop, elements: x.count) { _, start, count in
            let source = x.pointer + start
            let target = y.pointer + start
            let added = addend.map { $0.pointer + start }
            period.forEachVector(elements: count) { offset, vector, lanes in
                var value = load(source + offset, lanes) * a[vector] + b[vector]
                if let added { value += load(added + offset, lanes) }
                store(rectifies ? rectified(value) : value, target + offset, lanes)
            }
        }
    }

    /// dx = g·scale + x·slope + shift (+ addend), `[channels]` each: the backward pass of a batch norm.
    public static func affineOfTwo(
        _ g: Tensor, scale: [Float], _ x: Tensor, slope: [Float], shift: [Float], addend: Tensor? = nil, into dx: Tensor
    ) {
        let period = ChannelPeriod(x.channels)
        let a = period.expanded(scale)
        let q = period.expanded(slope)
        let b = period.expanded(shift)
        period.chunked(x.workspace.loop, elements: x.count) { _, start, count in
            let gradient = g.pointer + start
            let source = x.pointer + start
            let target = dx.pointer + start
            let added = addend.map { $0.pointer + start }
            period.forEachVector(elements: count) { offset, vector, lanes in
                var value = load(gradient + offset, lanes) * a[vector] + load(source + offset, lanes) * q[vector]
                value += b[vector]
                if let added { value += load(added + offset, lanes) }
                store(value, target + offset, lanes)
            }
        }
    }

    /// Keeps `g` where a ReLU's output was positive, 0 elsewhere; in place.
    public static func gate(_ g: Tensor, by output: Tensor) {
        let period = ChannelPeriod(lanes)
        period.chunked(g.workspace.loop, elements: g.count) { _, start, count in
            let gradient = g.pointer + start
            let mask = output.pointer + start
            period.forEachVector(elements: count) { offset, _, lanes in
                store(gated(load(gradient + offset, lanes), by: load(mask + offset, lanes)), gradient + offset, lanes)
            }
        }
    }

    /// target += source, elementwise.
    public static func add(_ source: Tensor, to target: Tensor) {
        precondition(source.count == target.count, "cannot add \(source.shape) to \(target.shape)")
        let period = ChannelPeriod(lanes)
        period.chunked(target.workspace.loop, elements: target.count) { _, start, count in
            let from = source.pointer + start
            let to = target.pointer + start
            period.forEachVector(elements: count) { offset, _, lanes in
                store(load(to + offset, lanes) + load(from + offset, lanes), to + offset, lanes)
            }
        }
    }

    /// Returns Σ g and Σ g·(x − center) of each channel, in Double; `center` is `[channels]`.
    public static func sums(_ g: Tensor, _ x: Tensor, center: [Float]) -> ChannelSums {
        let period = ChannelPeriod(x.channels)
        let middle = period.expanded(center)
        return reduce(x, period) { start, count, first, second in
            let gradient = g.pointer + start
            let source = x.pointer + start
            period.forEachVector(elements: count) { offset, vector, lanes in
                let value = load(gradient + offset, lanes)
                // Past the end `value` is zero, and so is its product.
                first[vector] += value
                second[vector] += value * (load(source + offset, lanes) - middle[vector])
            }
        }
    }

    /// Returns Σ (x − center) and Σ (x − center)² of each channel, in Double; `center` is `[channels]`.
    public static func moments(_ x: Tensor, center: [Float]) -> ChannelSums {
        let period = ChannelPeriod(x.channels)
        let middle = period.expanded(center)
        return reduce(x, period) { start, count, first, second in
            let source = x.pointer + start
            period.forEachVector(elements: count) { offset, vector, lanes in
                var value = load(source + offset, lanes) - middle[vector]
                // What lies past the last element belongs to no channel.
                for lane in lanes..<Vector.scalarCount { value[lane] = 0 }
                first[vector] += value
                second[vector] += value * value
            }
        }
    }

    /// Adds up the pairs of partial sums that a convolution's epilogue left, `[chunks][2][channels]`, in chunk order.
    public static func combine(
        _ partial: UnsafePointer<Float>, chunks: Int, channels: Int
    ) -> ChannelSums {
        var sum = [Double](repeating: 0, count: channels)
        var squares = sum
        for chunk in 0..<chunks {
            let pair = partial + chunk * 2 * channels
            for channel in 0..<channels {
                sum[channel] += Double(pair[channel])
                squares[channel] += Double(pair[channels + channel])
            }
        }
        return ChannelSums(sum: sum, product: squares)
    }

    /// Runs `body(start, count, first, second)` over chunks, each with vector accumulators of its own that are added
    /// in chunk order.
    private static func reduce(
        _ x: Tensor, _ period: ChannelPeriod,
        _ body: (_ start: Int, _ count: Int, _ first: VectorPointer, _ second: VectorPointer) -> Void
    ) -> ChannelSums {
        let chunks = period.chunks(elements: x.count)
        let channels = x.channels
        return x.workspace.withScratch(chunks * (2 * period.floats + 2 * channels)) { scratch in
            let folded = scratch + chunks * 2 * period.floats
            period.chunked(x.workspace.loop, elements: x.count) { chunk, start, count in
                let sums = scratch + chunk * 2 * period.floats
                sums.update(repeating: 0, count: 2 * period.floats)
                body(start, count, vectors(sums), vectors(sums + period.floats))
                period.fold(sums, into: folded + chunk * 2 * channels)
                period.fold(sums + period.floats, into: folded + (chunk * 2 + 1) * channels)
            }
            return combine(folded, chunks: chunks, channels: channels)
        }
    }
}
