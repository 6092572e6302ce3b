/// Adds a map of few channels to one of many, and takes the few out of its gradient again: what a pruned convolution is to
/// the sum that it ends in.
public enum ChannelScatter {
    /// Returns `addend` plus `x`, whose channels lie at `places` of it, and no negative value if `rectifies`.
    /// - Parameter places: Rising channels of `addend`, as many as `x` has; nil means one by one.
    public static func add(_ x: Tensor, at places: [Int]?, to addend: Tensor, rectifies: Bool) -> Tensor {
        let places = places ?? Array(0..<x.channels)
        check(x, addend, places)
        let y = Tensor(like: addend)
        y.workspace.loop(y.images) { _, image in
            for pixel in image * y.pixels..<(image + 1) * y.pixels {
                let target = y.pointer + pixel * y.channels
                let source = x.pointer + pixel * x.channels
                target.update(from: addend.pointer + pixel * y.channels, count: y.channels)
                for (channel, place) in places.enumerated() { target[place] += source[channel] }
                if rectifies {
                    // Comparing this way round lets a value that is no number through.
                    for channel in 0..<y.channels where target[channel] < 0 { target[channel] = 0 }
                }
            }
        }
        return y
    }

    /// Returns the channels at `places` of a map.
    public static func gather(_ x: Tensor, at places: [Int]) -> Tensor {
        let y = Tensor(x.workspace, images: x.images, height: x.height, width: x.width, channels: places.count)
        check(y, x, places)
        x.workspace.loop(x.images) { _, image in
            for pixel in image * x.pixels..<(image + 1) * x.pixels {
                let target = y.pointer + pixel * y.channels
                let source = x.pointer + pixel * x.channels
                for (channel, place) in places.enumerated() { target[channel] = source[place] }
            }
        }
        return y
    }

    private static func check(_ narrow: Tensor, _ wide: Tensor, _ places: [Int]) {
        precondition(
            narrow.images == wide.images && narrow.pixels == wide.pixels && narrow.channels == places.count
                && places.allSatisfy { $0 >= 0 && $0 < wide.channels },
            "channels \(places) of \(wide.shape) do not fit \(narrow.shape)")
    }
}
