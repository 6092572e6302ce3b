import Tensors

/// Cross entropy with the labels (Madry et al., arXiv:1706.06083).
public struct CrossEntropyObjective: Objective {
    /// `[shard][image]`.
    public let labels: [[Int32]]

    /// Makes the objective.
    public init(labels: [[Int32]]) {
        self.labels = labels
    }

    /// See ``Objective``.
    public func evaluate(_ outputs: ModelOutputs, shard: Int) -> ObjectiveValue {
        let (losses, dLogits) = CrossEntropy.evaluate(outputs.logits, labels[shard], divisor: 1)
        return ObjectiveValue(losses: losses, dLogits: dLogits)
    }

    /// See ``Objective``.
    public func selecting(_ images: [[Int]]) -> any Objective {
        CrossEntropyObjective(labels: labels.selecting(images))
    }
}
