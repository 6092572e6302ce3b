/// Max-pooling over square windows (torch.nn.MaxPool2d).
///
/// Padding never wins. Among equal pixels the first one in row order does, as in PyTorch. What is left over at an edge
/// that no whole window covers is dropped.
public struct MaxPooling: Hashable, Sendable {
    /// Pixels of a window a side.
    public let kernel: Int
    /// Input pixels between neighbouring windows.
    public let stride: Int
    /// Pixels around the input on each side that never win; at most half of the kernel.
    public let padding: Int

    /// 3×3 windows with stride 2 and padding 1, as in the ImageNet stem.
    public static let stem = MaxPooling(kernel: 3, stride: 2, padding: 1)
    /// 2×2 windows with stride 2, as in a VGG.
    public static let halving = MaxPooling(kernel: 2, stride: 2, padding: 0)

    /// Rows (or columns) of the output for so many of the input; below 1 where no window fits.
    public func outputSize(_ size: Int) -> Int {
        let room = size + 2 * padding - kernel
        return room < 0 ? 0 : room / stride + 1
    }

    /// Returns the largest value under each window; a NaN in a window is its result.
    public func forward(_ x: Tensor) -> Tensor {
        let y = Tensor(
            x.workspace, images: x.images, height: outputSize(x.height), width: outputSize(x.width),
            channels: x.channels)
        x.workspace.loop(x.images) { _, image in
            for pixel in 0..<y.pixels {
                let best = y.pointer + image * y.imageSize + pixel * y.channels
                best.update(repeating: -.infinity, count: y.channels)
                forEachTap(x, image, pixel, y.width) { place in
                    let source = x.pointer + place
                    for channel in 0..<x.channels {
                        let value = source[channel]
                        best[channel] = value > best[channel] || value != value ? value : best[channel]
                    }
                }
            }
        }
        return y
    }

    /// Returns the gradient of `x` from that of the output `y`: each goes to the pixel that won.
    public func backward(_ dy: Tensor, _ x: Tensor, _ y: Tensor) -> Tensor {
        let dx = Tensor(like: x)
        let channels = x.channels
        x.workspace.withScratch(x.images * channels) { scratch in
            x.workspace.loop(x.images) { _, image in
                (dx.pointer + image * x.imageSize).update(repeating: 0, count: x.imageSize)
                // What is still to be given to a pixel of the window.
                let open = scratch + image * channels
                for pixel in 0..<y.pixels {
                    let start = image * y.imageSize + pixel * channels
                    open.update(from: dy.pointer + start, count: channels)
                    let best = y.pointer + start
                    forEachTap(x, image, pixel, y.width) { place in
                        let source = x.pointer + place
                        let target = dx.pointer + place
                        for channel in 0..<channels {
                            let share = source[channel] == best[channel] ? open[channel] : 0
                            target[channel] += share
                            open[channel] -= share
                        }
                    }
                }
            }
        }
        return dx
    }

    /// Calls `body` with the place in `x` of the first channel under each tap inside the map, in row order.
    @inline(__always)
    private func forEachTap(_ x: Tensor, _ image: Int, _ pixel: Int, _ columns: Int, _ body: (Int) -> Void) {
        let (row, column) = pixel.quotientAndRemainder(dividingBy: columns)
        let (top, left) = (row * stride - padding, column * stride - padding)
        for y in max(0, top)..<min(x.height, top + kernel) {
            for x0 in max(0, left)..<min(x.width, left + kernel) {
                body(image * x.imageSize + (y * x.width + x0) * x.channels)
            }
        }
    }
}
