/// Average pooling over windows of rows and columns.
public enum AveragePooling: Hashable, Sendable {
    /// 2×2 windows with stride 2 (torch.nn.AvgPool2d(2)); the last row or column of an odd map is dropped.
    case halving
    /// As many windows a side as given, which cover the whole map (torch.nn.AdaptiveAvgPool2d): window i of s over n
    /// pixels reaches from ⌊i·n/s⌋ to ⌈(i + 1)·n/s⌉. Windows overlap where s does not divide n.
    case adaptive(side: Int)

    /// The rows (or columns) under each window of a map with so many; none where no window fits.
    public func windows(_ size: Int) -> [Range<Int>] {
        switch self {
        case .halving: (0..<size / 2).map { 2 * $0..<2 * $0 + 2 }
        case .adaptive(let side): (0..<side).map { $0 * size / side..<(($0 + 1) * size + side - 1) / side }
        }
    }

    /// Returns the mean under each window.
    public func forward(_ x: Tensor) -> Tensor {
        let (rows, columns) = (windows(x.height), windows(x.width))
        let y = Tensor(
            x.workspace, images: x.images, height: rows.count, width: columns.count, channels: x.channels)
        let period = ChannelPeriod(lanes)
        x.workspace.loop(x.images) { _, image in
            var target = y.pointer + image * y.imageSize
            for row in rows {
                for column in columns {
                    let scale = 1 / Float(row.count * column.count)
                    period.forEachVector(elements: x.channels) { offset, _, lanes in
                        var sum = Vector.zero
                        for y0 in row {
                            for x0 in column {
                                let place = image * x.imageSize + (y0 * x.width + x0) * x.channels
                                sum += load(x.pointer + place + offset, lanes)
                            }
                        }
                        store(sum * scale, target + offset, lanes)
                    }
                    target += x.channels
                }
            }
        }
        return y
    }

    /// Returns the gradient of `x` from that of the output, kept where `x`, then a ReLU's output, is positive if
    /// `masksInput`.
    public func backward(_ dy: Tensor, _ x: Tensor, masksInput: Bool) -> Tensor {
        let dx = Tensor(like: x)
        let (rows, columns) = (windows(x.height), windows(x.width))
        let period = ChannelPeriod(lanes)
        x.workspace.loop(x.images) { _, image in
            (dx.pointer + image * x.imageSize).update(repeating: 0, count: x.imageSize)
            var source = dy.pointer + image * dy.imageSize
            for row in rows {
                for column in columns {
                    let scale = 1 / Float(row.count * column.count)
                    for y0 in row {
                        for x0 in column {
                            let target = dx.pointer + image * x.imageSize + (y0 * x.width + x0) * x.channels
                            period.forEachVector(elements: x.channels) { offset, _, lanes in
                                let share = load(source + offset, lanes) * scale
                                store(load(target + offset, lanes) + share, target + offset, lanes)
                            }
                        }
                    }
                    source += x.channels
                }
            }
        }
        if masksInput { ChannelOperations.gate(dx, by: x) }
        return dx
    }
}
