import Datasets
import Tensors

extension ImageSet {
    /// Images for timing, of the shape of a data set, without any file: each class has a coarse pattern of its own, under
    /// noise and in a light that varies, so that a few steps teach a network something and routers find differences.
    static func forBenchmarks(_ name: DatasetName, _ traits: DatasetTraits, count: Int) -> ImageSet {
        // A pattern has 4 by 4 cells a channel.
        let cells = 16 * traits.channels
        let levels = (0..<traits.classes).map { label in
            var stream = RandomStream(seed: 2, purpose: .synthetic, index: label)
            return (0..<cells).map { _ in stream.uniform() }
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count * traits.imageSize)
        for index in 0..<count {
            var stream = RandomStream(seed: 3, purpose: .synthetic, index: index)
            let light = 0.5 + 0.5 * stream.uniform()
            let pattern = levels[index % traits.classes]
            for y in 0..<traits.height {
                for x in 0..<traits.width {
                    let cell = (y * 4 / traits.height * 4 + x * 4 / traits.width) * traits.channels
                    for channel in 0..<traits.channels {
                        let value = light * (0.7 * pattern[cell + channel] + 0.3 * stream.uniform())
                        bytes.append(UInt8(255 * value))
                    }
                }
            }
        }
        return ImageSet(
            name: name, split: .train, traits: traits, images: bytes,
            labels: (0..<count).map { Int32($0 % traits.classes) })
    }
}
