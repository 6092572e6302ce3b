import Tensors

/// Images made from a seed, so that everything runs where no data are to be had: ten classes that a network can learn.
///
/// A class is a smooth random pattern. An image is its class's pattern, moved by up to 4 pixels, with a contrast of its
/// own, under noise. Images are a function of the seed, the split and the index: asking for more adds to the end.
struct SyntheticImages {
    /// The seed of the patterns and images; it is not the run's seed, so all runs see the same data.
    static let defaultSeed: UInt64 = 0
    /// Nodes of a pattern's random grid in each direction.
    private static let grid = 4

    private let seed: UInt64
    private let traits = DatasetName.synthetic.traits
    private let patterns: [[Float]]

    /// Makes the patterns of all classes.
    init(seed: UInt64 = SyntheticImages.defaultSeed) {
        self.seed = seed
        let traits = traits
        patterns = (0..<traits.classes).map { SyntheticImages.pattern(seed, $0, traits) }
    }

    /// The images of a split that are used where no number is asked for.
    static func defaultCount(_ split: DatasetSplit) -> Int { split == .train ? 2000 : 500 }

    /// Makes the first `count` images of a split.
    func images(_ split: DatasetSplit, count: Int) -> ImageSet {
        var bytes = [UInt8](repeating: 0, count: count * traits.imageSize)
        var labels = [Int32](repeating: 0, count: count)
        for index in 0..<count {
            labels[index] = Int32(index % traits.classes)
            fill(&bytes, split, index, patterns[index % traits.classes])
        }
        return ImageSet(name: .synthetic, split: split, traits: traits, images: bytes, labels: labels)
    }

    private func fill(_ bytes: inout [UInt8], _ split: DatasetSplit, _ index: Int, _ pattern: [Float]) {
        var stream = RandomStream(seed: seed, purpose: .synthetic, step: split == .train ? 1 : 2, index: index)
        let rows = stream.integer(below: 9) - 4
        let columns = stream.integer(below: 9) - 4
        let contrast = 0.25 + 0.25 * stream.uniform()
        var target = index * traits.imageSize
        for y in 0..<traits.height {
            for x in 0..<traits.width {
                let sourceY = (y + rows + traits.height) % traits.height
                let sourceX = (x + columns + traits.width) % traits.width
                for channel in 0..<traits.channels {
                    let clean = pattern[(sourceY * traits.width + sourceX) * traits.channels + channel]
                    let noise = 0.4 * stream.uniform() - 0.2
                    let value = min(max(0.5 + contrast * clean + noise, 0), 1)
                    bytes[target] = UInt8((255 * value).rounded())
                    target += 1
                }
            }
        }
    }

    /// Returns a class's pattern in [-1, 1], NHWC: random nodes on a torus with straight lines between them.
    private static func pattern(_ seed: UInt64, _ label: Int, _ traits: DatasetTraits) -> [Float] {
        var stream = RandomStream(seed: seed, purpose: .synthetic, step: 0, index: label)
        let channels = traits.channels
        let nodes = (0..<grid * grid * channels).map { _ in 2 * stream.uniform() - 1 }
        var pattern: [Float] = []
        for y in 0..<traits.height {
            let (top, down) = place(y, traits.height)
            for x in 0..<traits.width {
                let (left, across) = place(x, traits.width)
                for channel in 0..<channels {
                    func node(_ row: Int, _ column: Int) -> Float {
                        nodes[(row % grid * grid + column % grid) * channels + channel]
                    }
                    let upper = (1 - across) * node(top, left) + across * node(top, left + 1)
                    let lower = (1 - across) * node(top + 1, left) + across * node(top + 1, left + 1)
                    pattern.append((1 - down) * upper + down * lower)
                }
            }
        }
        return pattern
    }

    /// Returns the node at or before a pixel and the part of the way to the next one.
    private static func place(_ pixel: Int, _ size: Int) -> (node: Int, fraction: Float) {
        (pixel * grid / size, Float(pixel * grid % size) / Float(size))
    }
}
