/// Puts the channels of two maps behind each other, pixel by pixel (torch.cat along the channels).
public enum ChannelConcatenation {
    /// Returns maps with the channels of `first`, then those of `second`; both have the same images and pixels.
    public static func join(_ first: Tensor, _ second: Tensor) -> Tensor {
        precondition(
            first.images == second.images && first.height == second.height && first.width == second.width,
            "cannot put \(first.shape) and \(second.shape) side by side")
        let joined = Tensor(
            first.workspace, images: first.images, height: first.height, width: first.width,
            channels: first.channels + second.channels)
        forEachPixel(joined) { pixel in
            let target = joined.pointer + pixel * joined.channels
            target.update(from: first.pointer + pixel * first.channels, count: first.channels)
            (target + first.channels).update(from: second.pointer + pixel * second.channels, count: second.channels)
        }
        return joined
    }

    /// Returns the first `channels` channels of `joined`, and the others: of a gradient, those of what was joined.
    public static func split(_ joined: Tensor, at channels: Int) -> (first: Tensor, second: Tensor) {
        precondition(
            channels > 0 && channels < joined.channels, "cannot split \(joined.channels) channels at \(channels)")
        func part(_ count: Int) -> Tensor {
            Tensor(
                joined.workspace, images: joined.images, height: joined.height, width: joined.width, channels: count)
        }
        let (first, second) = (part(channels), part(joined.channels - channels))
        forEachPixel(joined) { pixel in
            let source = joined.pointer + pixel * joined.channels
            (first.pointer + pixel * channels).update(from: source, count: channels)
            (second.pointer + pixel * second.channels).update(from: source + channels, count: second.channels)
        }
        return (first, second)
    }

    @inline(__always)
    private static func forEachPixel(_ x: Tensor, _ body: (_ pixel: Int) -> Void) {
        x.workspace.loop(x.images) { _, image in
            for pixel in image * x.pixels..<(image + 1) * x.pixels { body(pixel) }
        }
    }
}
