import Tensors

/// The logit of another class less the label's, z_t − z_y: positive where the model prefers the other class to the label.
public struct LogitDifferenceObjective: Objective {
    /// `[shard][image]`.
    public let labels: [[Int32]]
    /// The other class, `[shard][image]`.
    public let targets: [[Int32]]

    /// Makes the objective.
    public init(labels: [[Int32]], targets: [[Int32]]) {
        self.labels = labels
        self.targets = targets
    }

    /// See ``Objective``.
    public func evaluate(_ outputs: ModelOutputs, shard: Int) -> ObjectiveValue {
        let logits = outputs.logits
        let dLogits = Tensor(like: logits)
        dLogits.fill(0)
        let losses = zip(labels[shard], targets[shard]).enumerated().map { image, classes -> Double in
            let (label, target) = (image * logits.channels + Int(classes.0), image * logits.channels + Int(classes.1))
            dLogits.pointer[target] += 1
            dLogits.pointer[label] -= 1
            return Double(logits.pointer[target]) - Double(logits.pointer[label])
        }
        return ObjectiveValue(losses: losses, dLogits: dLogits)
    }

    /// See ``Objective``.
    public func selecting(_ images: [[Int]]) -> any Objective {
        LogitDifferenceObjective(labels: labels.selecting(images), targets: targets.selecting(images))
    }
}
