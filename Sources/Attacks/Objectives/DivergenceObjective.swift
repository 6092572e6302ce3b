import Tensors

/// The divergence KL(p ‖ q) of what the model says now, q, from what it said before, p (TRADES, Zhang et al.,
/// arXiv:1901.08573).
///
/// At the images that p was given for it is 0 and has no slope: attacks start beside them.
public struct DivergenceObjective: Objective {
    /// The logits of p, `[images, 1, 1, classes]` a shard.
    public let reference: [Tensor]

    /// Makes the objective.
    public init(from reference: [Tensor]) {
        self.reference = reference
    }

    /// See ``Objective``.
    public func evaluate(_ outputs: ModelOutputs, shard: Int) -> ObjectiveValue {
        let divergence = Divergence.evaluate(reference[shard], outputs.logits, weight: 1)
        return ObjectiveValue(losses: divergence.values, dLogits: divergence.dLogits)
    }

    /// See ``Objective``.
    public func selecting(_ images: [[Int]]) -> any Objective {
        DivergenceObjective(from: reference.selecting(images))
    }
}
