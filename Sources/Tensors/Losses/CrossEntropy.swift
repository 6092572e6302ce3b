import Foundation

/// Softmax cross entropy (torch.nn.functional.cross_entropy).
public enum CrossEntropy {
    /// Returns each image's loss and the gradient of Σ losses / `divisor` with respect to the logits.
    ///
    /// - Parameters:
    ///   - logits: `[images, 1, 1, classes]`.
    ///   - labels: One class in `0..<classes` for each image.
    ///   - divisor: The size of the global batch, so that gradients of all ranks add up to those of the mean.
    ///   - weight: A factor of losses and gradient.
    public static func evaluate(
        _ logits: Tensor, _ labels: [Int32], divisor: Int, weight: Double = 1
    ) -> (losses: [Double], dLogits: Tensor) {
        precondition(labels.count == logits.images, "\(labels.count) labels for \(logits.images) images")
        let classes = logits.channels
        let dLogits = Tensor(like: logits)
        var losses: [Double] = []
        losses.reserveCapacity(labels.count)
        for (image, label) in labels.enumerated() {
            let row = logits.pointer + image * classes
            let target = dLogits.pointer + image * classes
            let (differences, sum) = LogSoftmax.parts(row, count: classes, .single)
            for index in 0..<classes {
                let probability = exp(differences[index]) / sum
                target[index] = Float(weight * (probability - (index == Int(label) ? 1 : 0)) / Double(divisor))
            }
            losses.append(weight * (log(sum) - differences[Int(label)]))
        }
        return (losses, dLogits)
    }

    /// Returns the class of the largest logit of each image, ties to the lowest class; a NaN never wins.
    public static func predictions(_ logits: Tensor) -> [Int32] {
        (0..<logits.images).map { image in
            let row = logits.pointer + image * logits.channels
            var best = 0
            for index in 0..<logits.channels where row[index] > row[best] || row[best].isNaN { best = index }
            return Int32(best)
        }
    }
}
