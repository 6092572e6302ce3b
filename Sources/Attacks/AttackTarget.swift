import Tensors

/// What an attack ascends.
public enum Objective: Sendable {
    /// Cross entropy of the logits with these labels, `[shard][image]`.
    case crossEntropy([[Int32]])
    /// Whatever the target was made to measure; the labels, `[shard][image]`, say which predictions are right.
    case target([[Int32]])
}

/// A model as attacks see it: losses, input gradients and whether predictions are right, nothing else.
///
/// Images are NHWC in [0, 1], one tensor a shard. Every call sees the same images of the same shards. Ranks that attack
/// together make the same calls in the same order, with no image too.
public protocol AttackTarget {
    /// Returns how the model fares on each image, and the gradient of the sum of all losses with respect to the images,
    /// in pixel units.
    func outcomeAndInputGradient(
        _ images: [Tensor], _ objective: Objective
    ) throws -> (outcomes: [AttackOutcome], gradient: [Tensor])

    /// Returns how the model fares on each image.
    func outcome(_ images: [Tensor], _ objective: Objective) throws -> [AttackOutcome]
}

/// How a model fares on the images of one shard.
public struct AttackOutcome: Sendable {
    /// The loss of each image.
    public var losses: [Double]
    /// Whether the prediction is the label.
    public var isCorrect: [Bool]

    /// Makes an outcome; both lists have one entry an image.
    public init(losses: [Double], isCorrect: [Bool]) {
        self.losses = losses
        self.isCorrect = isCorrect
    }

    /// Takes over another outcome of one image, and says so, if it is worse for the model: fooled rather than right,
    /// else the higher loss.
    mutating func becomeWorse(_ other: AttackOutcome, image: Int) -> Bool {
        let fools = isCorrect[image] && !other.isCorrect[image]
        let hurts = isCorrect[image] == other.isCorrect[image] && other.losses[image] > losses[image]
        guard fools || hurts else { return false }
        isCorrect[image] = other.isCorrect[image]
        losses[image] = other.losses[image]
        return true
    }
}

/// An attack broke its own promise.
public struct AttackError: Error, CustomStringConvertible {
    /// What was expected and found.
    public let description: String
}
