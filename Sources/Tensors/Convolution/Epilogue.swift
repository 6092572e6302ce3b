/// What a convolution does to each finished output vector before its only store, in this order.
public struct Epilogue {
    /// Multiplies each pixel, `[channels]` (a folded batch norm's factor).
    public var scale: FloatPointer?
    /// Added to each pixel, `[channels]` (a folded batch norm's shift).
    public var bias: FloatPointer?
    /// Added elementwise, laid out like the output (a residual, or a shortcut's gradient).
    public var addend: FloatPointer?
    /// Applies ReLU.
    public var rectifies: Bool
    /// Keeps an element where the mask, laid out like the output, is positive (a saved ReLU output).
    public var mask: FloatPointer?
    /// Receives sums and sums of squares, `[chunks][2][channels]`, one pair a chunk; see `ConvolutionKernel.statisticsChunks`.
    public var statistics: FloatPointer?
    /// Subtracted from what enters the statistics, `[channels]`: near the mean, the squares keep the digits of the variance.
    public var center: FloatPointer?

    /// Makes an epilogue; with no argument the output is stored as it is.
    public init(
        scale: FloatPointer? = nil, bias: FloatPointer? = nil, addend: FloatPointer? = nil, rectifies: Bool = false,
        mask: FloatPointer? = nil, statistics: FloatPointer? = nil, center: FloatPointer? = nil
    ) {
        self.scale = scale
        self.bias = bias
        self.addend = addend
        self.rectifies = rectifies
        self.mask = mask
        self.statistics = statistics
        self.center = center
    }

    var isTrivial: Bool {
        scale == nil && bias == nil && addend == nil && !rectifies && mask == nil && statistics == nil
    }

    /// The epilogue of an output that begins at `element` of this one's.
    func advanced(toElement element: Int) -> Epilogue {
        var result = self
        result.addend = addend.map { $0 + element }
        result.mask = mask.map { $0 + element }
        return result
    }

    /// Applies the epilogue in place to `pixels` finished pixels that begin at element `start` of the output.
    ///
    /// `start` must be a multiple of the channel period (see ``ChannelPeriod``); statistics go to pair `chunk`.
    func apply(to output: FloatPointer, from start: Int, pixels: Int, period: ChannelPeriod, chunk: Int) {
        if isTrivial { return }
        let channels = period.channels
        withUnsafeTemporaryAllocation(of: Vector.self, capacity: 5 * period.vectorCount) { buffer in
            guard let biases = buffer.baseAddress else { return }
            let centers = biases + period.vectorCount
            let sums = centers + period.vectorCount
            let squares = sums + period.vectorCount
            let scales = squares + period.vectorCount
            if let scale { period.expand(scale, into: scales) }
            if let bias { period.expand(bias, into: biases) }
            if let center { period.expand(center, into: centers) }
            sums.update(repeating: .zero, count: 2 * period.vectorCount)
            period.forEachVector(elements: pixels * channels) { offset, vector, count in
                let position = start + offset
                var value = load(output + position, count)
                if scale != nil { value *= scales[vector] }
                if bias != nil { value += biases[vector] }
                if let addend { value += load(addend + position, count) }
                if rectifies { value = rectified(value) }
                if let mask { value = gated(value, by: load(mask + position, count)) }
                store(value, output + position, count)
                if statistics != nil {
                    if center != nil { value -= centers[vector] }
                    // What lies past the last element belongs to no channel.
                    for lane in count..<lanes { value[lane] = 0 }
                    sums[vector] += value
                    squares[vector] += value * value
                }
            }
            if let statistics {
                let totals = UnsafeMutableRawPointer(sums).assumingMemoryBound(to: Float.self)
                period.fold(totals, into: statistics + chunk * 2 * channels)
                period.fold(totals + period.floats, into: statistics + (chunk * 2 + 1) * channels)
            }
        }
    }
}
