/// What a mixture replaces.
public enum ExpertKind: String, CaseIterable, Sendable {
    /// Single convolutions.
    case conv
    /// Whole residual blocks.
    case block
    /// Slabs of the channels of single convolutions, which share batch norm.
    case channel
}
