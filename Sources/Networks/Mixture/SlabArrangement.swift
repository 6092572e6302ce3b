/// Which output channels of a convolution belong to which channel expert; each has w of them, the ratio times the dense
/// layer's C.
public enum SlabArrangement: String, CaseIterable, Sendable {
    /// Every expert has channels of its own: N·w in all, as in AdvMoE's released code.
    case disjoint
    /// Experts are windows of the dense layer's C channels, as AdvMoE's paper tells (arXiv:2308.10110, section 3): the first
    /// begins at 0, the last one ends at C, the others lie evenly between; they share channels where N·w is above C.
    case overlapping

    /// The first channel of each of `count` windows of `width` channels: expert e's is round(e·(C − w) / (N − 1)).
    static func starts(count: Int, width: Int, channels: Int) -> [Int] {
        guard count > 1 else { return [0] }
        return (0..<count).map { Int((Double($0 * (channels - width)) / Double(count - 1)).rounded()) }
    }
}
