extension Pooling {
    /// Returns, for each tap of a k×k window, the mean of the pixels that the tap meets while the window moves over the
    /// map without leaving it, `[images, 1, 1, k·k·channels]`, taps in rows.
    ///
    /// A convolution without padding, averaged over its output, is the filter times these means: no map of outputs is
    /// needed. With k = 1 this is ``average(_:)``. The map must be at least k×k.
    public static func windowAverage(_ x: Tensor, kernel: Int) -> Tensor {
        if kernel == 1 { return average(x) }
        let (rows, columns) = (x.height - kernel + 1, x.width - kernel + 1)
        precondition(rows > 0 && columns > 0, "a \(kernel)x\(kernel) window does not fit a \(x.height)x\(x.width) map")
        let result = Tensor(x.workspace, images: x.images, channels: kernel * kernel * x.channels)
        let period = ChannelPeriod(x.channels)
        let scale = 1 / Float(rows * columns)
        x.workspace.withScratch(x.images * period.floats) { scratch in
            x.workspace.loop(x.images) { _, image in
                let sums = scratch + image * period.floats
                let accumulator = vectors(sums)
                let source = x.pointer + image * x.imageSize
                for tap in 0..<kernel * kernel {
                    sums.update(repeating: 0, count: period.floats)
                    for row in 0..<rows {
                        let run = source + ((row + tap / kernel) * x.width + tap % kernel) * x.channels
                        period.forEachVector(elements: columns * x.channels) { offset, vector, lanes in
                            accumulator[vector] += load(run + offset, lanes)
                        }
                    }
                    let target = result.pointer + (image * kernel * kernel + tap) * x.channels
                    period.fold(sums, into: target)
                    for channel in 0..<x.channels { target[channel] *= scale }
                }
            }
        }
        return result
    }

    /// Spreads the gradient of ``windowAverage(_:kernel:)``, `[images, 1, 1, k·k·channels]`, over the pixels of `dx`.
    ///
    /// - Parameters:
    ///   - mask: Keeps the result where this ReLU output, shaped like `dx`, is positive.
    ///   - adds: Adds to what `dx` holds instead of overwriting it.
    public static func windowAverageBackward(
        _ gradient: Tensor, kernel: Int, mask: Tensor? = nil, adds: Bool = false, into dx: Tensor
    ) {
        if kernel == 1 { return averageBackward(gradient, mask: mask, adds: adds, into: dx) }
        let (rows, columns) = (dx.height - kernel + 1, dx.width - kernel + 1)
        let scale = 1 / Float(rows * columns)
        let period = ChannelPeriod(lanes)
        dx.workspace.loop(dx.images) { _, image in
            let taps = gradient.pointer + image * kernel * kernel * dx.channels
            for pixel in 0..<dx.pixels {
                let (y, x) = pixel.quotientAndRemainder(dividingBy: dx.width)
                let start = image * dx.imageSize + pixel * dx.channels
                period.forEachVector(elements: dx.channels) { offset, _, lanes in
                    var value = Vector.zero
                    for row in max(0, y - rows + 1)...min(kernel - 1, y) {
                        for column in max(0, x - columns + 1)...min(kernel - 1, x) {
                            value += load(taps + (row * kernel + column) * dx.channels + offset, lanes)
                        }
                    }
                    value *= scale
                    if adds { value += load(dx.pointer + start + offset, lanes) }
                    if let mask { value = gated(value, by: load(mask.pointer + start + offset, lanes)) }
                    store(value, dx.pointer + start + offset, lanes)
                }
            }
        }
    }
}
