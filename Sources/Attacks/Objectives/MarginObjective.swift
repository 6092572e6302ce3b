import Tensors

/// The margin by which the best wrong class beats the label: max over i ≠ y of z_i − z_y (Carlini and Wagner,
/// arXiv:1608.04644, their loss f6 without a confidence), positive where the model is fooled.
///
/// It has a slope where cross entropy saturates. Ties of wrong classes go to the lowest one. With one class the margin is
/// 0.
public struct MarginObjective: Objective {
    /// `[shard][image]`.
    public let labels: [[Int32]]

    /// Makes the objective.
    public init(labels: [[Int32]]) {
        self.labels = labels
    }

    /// See ``Objective``.
    public func evaluate(_ outputs: ModelOutputs, shard: Int) -> ObjectiveValue {
        let logits = outputs.logits
        let dLogits = Tensor(like: logits)
        dLogits.fill(0)
        let losses = labels[shard].enumerated().map { image, label -> Double in
            let row = logits.pointer + image * logits.channels
            let wrong = (0..<logits.channels).filter { $0 != Int(label) }
            guard let first = wrong.first else { return 0 }
            let best = wrong.reduce(first) { row[$1] > row[$0] ? $1 : $0 }
            dLogits.pointer[image * logits.channels + best] = 1
            dLogits.pointer[image * logits.channels + Int(label)] = -1
            return Double(row[best]) - Double(row[Int(label)])
        }
        return ObjectiveValue(losses: losses, dLogits: dLogits)
    }

    /// See ``Objective``.
    public func selecting(_ images: [[Int]]) -> any Objective {
        MarginObjective(labels: labels.selecting(images))
    }
}
