import Tensors

/// What the router of a whole network did with the images of every shard.
public struct ImageRouting {
    /// The images as the router saw them.
    let images: [Tensor]
    let tape: Router.Tape

    /// Softmax probabilities, `[shard][images × experts]`; empty where the router was bypassed.
    public var probabilities: [[Float]] { tape.scores }
    /// Their logarithms.
    public var logProbabilities: [[Float]] { tape.logScores }
    /// The routes taken.
    public var routes: [Routes] { tape.routes }
    /// Whether the router itself decided.
    public var isLearned: Bool { tape.network != nil }
}

extension Network {
    /// Runs the image's router alone; nil where layers have their own, or there is none.
    public func route(_ images: [Tensor], _ pass: Pass) throws -> ImageRouting? {
        guard let imageRouter else { return nil }
        let images = normalized(images)
        return ImageRouting(images: images, tape: try imageRouter.forward(images, pass))
    }

    /// Adds the gradients of the image router's parameters for a loss of its logits alone; there are no others.
    ///
    /// - Parameters:
    ///   - dLogits: The gradient of the logits, `[images, 1, 1, experts]` a shard.
    ///   - pass: The pass that `routing` came from.
    public func backward(
        router dLogits: [Tensor], _ routing: ImageRouting, _ pass: Pass, into gradients: GradientAccumulator
    ) throws {
        try imageRouter?.backward(dLogits, routing.tape, routing.images, pass, into: gradients)
        gradients.finish(0..<parameters.parameterCount)
    }
}
