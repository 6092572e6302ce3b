/// The largest numbers that keys take: beyond what anybody runs, and such that no product of them leaves `Int`.
///
/// Sizes of networks have theirs in `NetworkLimits`.
enum ConfigurationLimits {
    /// Passes over the training images.
    static let epochs = 1_000_000
    /// Update steps of a run: its epochs, of as many steps as there may be images.
    static let steps = epochs * images
    /// Images of a data set.
    static let images = 1_000_000_000
    /// Images of a step or of a chunk, over all ranks; the largest published batches have 81,920.
    static let batch = 131_072
    /// Steps, or restarts, of an attack, and replays of a batch.
    static let repetitions = 1_000_000
    /// A radius, or a step, of an attack: an image of 4096 x 4096 pixels of three channels is 7095 long in L2.
    static let radius = 10_000.0
    /// Checkpoints that are kept.
    static let checkpoints = 1_000_000
    /// Threads of a rank.
    static let threads = 1024
    /// Shards of a batch.
    static let shards = 65_536
    /// Mebibytes of what a rank holds in one piece.
    static let mebibytes = 1_048_576
    /// Seconds of silence: a year.
    static let seconds = 31_536_000.0
    /// Elements of a list that multiplies others.
    static let elements = 64
    /// Attacks of one evaluation.
    static let attacks = 4096
}
