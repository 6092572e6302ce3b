/// What batch norm normalises by.
public enum Normalization: String, CaseIterable, Sendable {
    /// Running statistics: evaluation, and attacks on a frozen model.
    case running
    /// Moments of each shard alone.
    case local
    /// Moments of the global batch.
    case synchronized
}
