/// One choice of expert an image for all layers of a network, the batch being sorted by expert.
public struct SharedRoutes {
    /// For each shard, the images of each expert.
    let ranges: [[Range<Int>]]
    /// Receives what the layers have to say about the choice, or nil where nobody asks.
    let scoreGradients: ScoreGradients?
}
