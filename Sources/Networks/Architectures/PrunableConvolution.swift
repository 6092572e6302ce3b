/// A convolution whose filters can be pruned: one of a block's or stage's own, in a network without experts.
public struct PrunableConvolution: Hashable, Sendable {
    /// Its path.
    public let path: String
    /// Its filters.
    public let weight: Slot
    /// How many it has in a network that is not pruned.
    public let filters: Int
    /// Those that are left, rising; nil means all.
    public let kept: [Int]?
}
