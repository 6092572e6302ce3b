import Tensors

/// What a model gives for the images of one shard.
public struct ModelOutputs {
    /// `[images, 1, 1, classes]`.
    public let logits: Tensor
    /// What its routers give, in the order of the layers; empty where nobody asks, and in models without any.
    public let routers: [RouterOutputs]

    /// Makes the outputs of a model.
    public init(logits: Tensor, routers: [RouterOutputs] = []) {
        self.logits = logits
        self.routers = routers
    }
}

/// What one router of a mixture of experts gives for the images of one shard.
public struct RouterOutputs: Sendable {
    /// The path of the mixture layer.
    public let layer: String
    /// Its experts.
    public let experts: Int
    /// Logarithms of the experts' probabilities, `[images][experts]`; they are logits too.
    public let logProbabilities: [Float]

    /// Makes the outputs of a router.
    public init(layer: String, experts: Int, logProbabilities: [Float]) {
        self.layer = layer
        self.experts = experts
        self.logProbabilities = logProbabilities
    }
}
