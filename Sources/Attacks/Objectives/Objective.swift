import Tensors

/// What an attack makes large: a loss of what a model gives, image by image.
///
/// The same values serve attacks in training and in evaluations. Losses are not divided by anything: an attack follows the
/// direction of each image's own gradient.
public protocol Objective {
    /// Whether it looks at what routers give.
    var readsRouters: Bool { get }

    /// Returns the losses of the images of a shard, and their gradients with respect to what the model gave.
    func evaluate(_ outputs: ModelOutputs, shard: Int) -> ObjectiveValue

    /// Returns the objective of images `images[shard]` of every shard alone, in that order.
    func selecting(_ images: [[Int]]) -> any Objective
}

extension Objective {
    /// Most objectives are about the logits.
    public var readsRouters: Bool { false }
}

/// An objective's losses for the images of one shard, and the gradients of their sum.
public struct ObjectiveValue {
    /// The loss of each image.
    public var losses: [Double]
    /// The gradient of the logits, `[images, 1, 1, classes]`; nil where they play no part.
    public var dLogits: Tensor?
    /// The gradient of the logits of routers, by layer, `[images][experts]`.
    public var dRouters: [String: [Double]]

    /// Makes a value.
    public init(losses: [Double], dLogits: Tensor?, dRouters: [String: [Double]] = [:]) {
        self.losses = losses
        self.dLogits = dLogits
        self.dRouters = dRouters
    }
}
