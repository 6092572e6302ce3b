/// Global average pooling, the classifier's and the routers' view of a map.
public enum Pooling {
    /// Returns the mean over the pixels of each image, `[images, 1, 1, channels]`.
    public static func average(_ x: Tensor) -> Tensor {
        let result = Tensor(x.workspace, images: x.images, channels: x.channels)
        let period = ChannelPeriod(x.channels)
        let scale = 1 / Float(x.pixels)
        x.workspace.withScratch(x.images * period.floats) { scratch in
            x.workspace.loop(x.images) { _, image in
                let sums = scratch + image * period.floats
                sums.update(repeating: 0, count: period.floats)
                let source = x.pointer + image * x.imageSize
                let accumulator = vectors(sums)
                period.forEachVector(elements: x.imageSize) { offset, vector, lanes in
                    accumulator[vector] += load(source + offset, lanes)
                }
                let target = result.pointer + image * x.channels
                period.fold(sums, into: target)
                for channel in 0..<x.channels { target[channel] *= scale }
            }
        }
        return result
    }

    /// Spreads the gradient of ``average(_:)``, `[images, 1, 1, channels]`, over the pixels of `dx`.
    ///
    /// - Parameters:
    ///   - mask: Keeps the result where this ReLU output, shaped like `dx`, is positive.
    ///   - adds: Adds to what `dx` holds instead of overwriting it.
    public static func averageBackward(_ gradient: Tensor, mask: Tensor? = nil, adds: Bool = false, into dx: Tensor) {
        let period = ChannelPeriod(dx.channels)
        let scale = 1 / Float(dx.pixels)
        dx.workspace.loop(dx.images) { _, image in
            let values = period.expanded(gradient.pointer + image * dx.channels)
            let start = image * dx.imageSize
            period.forEachVector(elements: dx.imageSize) { offset, vector, lanes in
                let position = start + offset
                var value = values[vector] * scale
                if adds { value += load(dx.pointer + position, lanes) }
                if let mask { value = gated(value, by: load(mask.pointer + position, lanes)) }
                store(value, dx.pointer + position, lanes)
            }
        }
    }
}
