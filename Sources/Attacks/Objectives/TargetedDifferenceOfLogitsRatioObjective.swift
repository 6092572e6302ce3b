import Tensors

/// The targeted difference of logits ratio, −(z_y − z_t) / (z₍₁₎ − ½ (z₍₃₎ + z₍₄₎) + 1e-12), of the logits z₍₁₎ ≥ z₍₂₎ ≥ …,
/// the label y and another class t (Croce and Hein, arXiv:2003.01690).
///
/// Slopes and ties are as in ``DifferenceOfLogitsRatioObjective``. With fewer than four classes there is no such ratio.
public struct TargetedDifferenceOfLogitsRatioObjective: Objective {
    /// Classes that a model must have.
    public static let fewestClasses = 4

    /// `[shard][image]`.
    public let labels: [[Int32]]
    /// The class to be predicted instead, `[shard][image]`.
    public let targets: [[Int32]]

    /// Makes the objective.
    public init(labels: [[Int32]], targets: [[Int32]]) {
        self.labels = labels
        self.targets = targets
    }

    /// See ``Objective``.
    public func evaluate(_ outputs: ModelOutputs, shard: Int) -> ObjectiveValue {
        LogitsRatio.evaluate(outputs.logits, fewestClasses: Self.fewestClasses) { image, order in
            let count = order.count
            return LogitsRatio(
                label: Int(labels[shard][image]), rival: Int(targets[shard][image]),
                spread: [(order[count - 1], 1), (order[count - 3], -0.5), (order[count - 4], -0.5)])
        }
    }

    /// See ``Objective``.
    public func selecting(_ images: [[Int]]) -> any Objective {
        TargetedDifferenceOfLogitsRatioObjective(
            labels: labels.selecting(images), targets: targets.selecting(images))
    }
}
