/// Moves whole images between batches: how an expert gets its images and gives results back.
public enum ImageSelection {
    /// Copies images `indices` of `x` into a new batch, in that order.
    public static func gather(_ x: Tensor, _ indices: [Int]) -> Tensor {
        let result = Tensor(
            x.workspace, images: indices.count, height: x.height, width: x.width, channels: x.channels)
        x.workspace.loop(indices.count) { _, place in
            (result.pointer + place * x.imageSize).update(
                from: x.pointer + indices[place] * x.imageSize, count: x.imageSize)
        }
        return result
    }

    /// Like ``gather(_:_:)``, each image multiplied by its weight, `offset` added, and kept where `mask`, a ReLU output
    /// shaped like the result, is positive.
    public static func gather(
        _ x: Tensor, _ indices: [Int], weights: [Float], offset constant: Float = 0, mask: Tensor?
    ) -> Tensor {
        let result = Tensor(
            x.workspace, images: indices.count, height: x.height, width: x.width, channels: x.channels)
        let period = ChannelPeriod(lanes)
        x.workspace.loop(indices.count) { _, place in
            let source = x.pointer + indices[place] * x.imageSize
            let start = place * x.imageSize
            let weight = Vector(repeating: weights[place])
            period.forEachVector(elements: x.imageSize) { offset, _, lanes in
                var value = load(source + offset, lanes) * weight + constant
                if let mask { value = gated(value, by: load(mask.pointer + start + offset, lanes)) }
                store(value, result.pointer + start + offset, lanes)
            }
        }
        return result
    }

    /// Sets image t of `y` to the sum of `weight` times image `place` of `parts[part]`, over the terms of t in order.
    ///
    /// An image without terms becomes zero.
    public static func combine(
        _ parts: [Tensor], _ terms: [[(part: Int, place: Int, weight: Float)]], into y: Tensor
    ) {
        let period = ChannelPeriod(lanes)
        y.workspace.loop(y.images) { _, image in
            let target = y.pointer + image * y.imageSize
            if terms[image].isEmpty { target.update(repeating: 0, count: y.imageSize) }
            for (position, term) in terms[image].enumerated() {
                let source = parts[term.part].pointer + term.place * y.imageSize
                let weight = Vector(repeating: term.weight)
                period.forEachVector(elements: y.imageSize) { offset, _, lanes in
                    let value = load(source + offset, lanes) * weight
                    store(position == 0 ? value : load(target + offset, lanes) + value, target + offset, lanes)
                }
            }
        }
    }

    /// Returns, for every image, Σ of x · (y − shift − addend); `shift` has a value for each channel.
    public static func innerProducts(_ x: Tensor, _ y: Tensor, shift: [Float]?, addend: Tensor?) -> [Float] {
        let period = ChannelPeriod(x.channels)
        let shifts = period.expanded(shift ?? [Float](repeating: 0, count: x.channels))
        var result = [Float](repeating: 0, count: x.images)
        result.withUnsafeMutableBufferPointer { result in
            guard let results = result.baseAddress else { return }
            x.workspace.loop(x.images) { _, image in
                let start = image * x.imageSize
                var sum = Vector.zero
                period.forEachVector(elements: x.imageSize) { offset, phase, lanes in
                    var value = load(y.pointer + start + offset, lanes) - shifts[phase]
                    if let addend { value -= load(addend.pointer + start + offset, lanes) }
                    sum += load(x.pointer + start + offset, lanes) * value
                }
                results[image] = sum.sum()
            }
        }
        return result
    }

    /// Returns the inner product of image `indices[place]` of `x` with image `place` of `part`, for every place.
    public static func innerProducts(_ x: Tensor, _ indices: [Int], _ part: Tensor) -> [Float] {
        let period = ChannelPeriod(lanes)
        var result = [Float](repeating: 0, count: indices.count)
        result.withUnsafeMutableBufferPointer { result in
            guard let results = result.baseAddress else { return }
            x.workspace.loop(indices.count) { _, place in
                let first = x.pointer + indices[place] * x.imageSize
                let second = part.pointer + place * x.imageSize
                var sum = Vector.zero
                period.forEachVector(elements: x.imageSize) { offset, _, lanes in
                    sum += load(first + offset, lanes) * load(second + offset, lanes)
                }
                results[place] = sum.sum()
            }
        }
        return result
    }
}
