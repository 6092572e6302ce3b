import Tensors

/// What an attack ascends.
public enum Objective: Sendable {
    /// Cross entropy of the logits with these labels, `[shard][image]`.
    case crossEntropy([[Int32]])
}

/// A model as attacks see it: losses, input gradients and logits, nothing else.
///
/// Images are NHWC in [0, 1], one tensor a shard. Every call sees the same images of the same shards.
public protocol AttackTarget {
    /// Returns each image's loss and the gradient of their sum with respect to the images, in pixel units.
    func lossesAndInputGradient(
        _ images: [Tensor], _ objective: Objective
    ) throws -> (losses: [[Double]], gradient: [Tensor])

    /// Returns each image's loss, and whether the model still gives the objective's label.
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
}

/// An attack broke its own promise.
public struct AttackError: Error, CustomStringConvertible {
    /// What was expected and found.
    public let description: String
}
