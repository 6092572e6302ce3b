/// The shortcut without parameters of narrow residual networks (He et al., arXiv:1512.03385, "option A"): every other pixel
/// of every other row, with channels of zeros in front of and behind those of the input.
public enum PaddedShortcut {
    /// Channels of zeros in front, half of what is missing, rounded down.
    private static func front(_ inputs: Int, _ outputs: Int) -> Int { (outputs - inputs) / 2 }

    /// Returns `[images, ⌈height / 2⌉, ⌈width / 2⌉, channels]`.
    public static func forward(_ x: Tensor, channels: Int) -> Tensor {
        precondition(channels >= x.channels, "cannot pad \(x.channels) channels to \(channels)")
        let y = Tensor(
            x.workspace, images: x.images, height: (x.height + 1) / 2, width: (x.width + 1) / 2, channels: channels)
        let first = front(x.channels, channels)
        x.workspace.loop(x.images) { _, image in
            let target = y.pointer + image * y.imageSize
            target.update(repeating: 0, count: y.imageSize)
            for row in 0..<y.height {
                for column in 0..<y.width {
                    let source = x.pointer + image * x.imageSize + (2 * row * x.width + 2 * column) * x.channels
                    (target + (row * y.width + column) * channels + first).update(from: source, count: x.channels)
                }
            }
        }
        return y
    }

    /// Returns the gradient of the input, zero at the pixels left out.
    public static func backward(_ dy: Tensor, like x: Tensor) -> Tensor {
        let dx = Tensor(like: x)
        let first = front(x.channels, dy.channels)
        x.workspace.loop(x.images) { _, image in
            let target = dx.pointer + image * x.imageSize
            target.update(repeating: 0, count: x.imageSize)
            for row in 0..<dy.height {
                for column in 0..<dy.width {
                    let source = dy.pointer + image * dy.imageSize + (row * dy.width + column) * dy.channels + first
                    (target + (2 * row * x.width + 2 * column) * x.channels).update(from: source, count: x.channels)
                }
            }
        }
        return dx
    }
}
