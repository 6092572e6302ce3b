import Tensors

/// A model with noise, whose input gradients are means over several draws of it: expectation over transformation (Athalye
/// et al., arXiv:1707.07397).
public struct AveragedTarget<Target: AttackTarget>: AttackTarget {
    /// The model.
    public let target: Target
    /// Draws of which every gradient is the mean, at least 1.
    public let draws: Int

    /// Makes the target.
    public init(_ target: Target, draws: Int) {
        precondition(draws >= 1, "a mean needs at least 1 draw, got \(draws)")
        self.target = target
        self.draws = draws
    }

    /// What the model gives with the first of the call's draws; see ``AttackTarget``.
    public func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) throws -> [ModelOutputs] {
        try target.outputs(images, readsRouters: readsRouters, draw: draw * draws)
    }

    /// Outputs with the last of the call's draws, losses and gradients as means over all of them; see ``AttackTarget``.
    public func outputsAndInputGradient(
        _ images: [Tensor], _ objective: any Objective, draw: Int
    ) throws -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
        var result = try target.outputsAndInputGradient(images, objective, draw: draw * draws)
        for number in 1..<max(1, draws) {
            let next = try target.outputsAndInputGradient(images, objective, draw: draw * draws + number)
            for shard in images.indices {
                let (sum, term) = (result.gradient[shard], next.gradient[shard])
                for index in 0..<sum.count { sum.pointer[index] += term.pointer[index] }
                for image in next.values[shard].losses.indices {
                    result.values[shard].losses[image] += next.values[shard].losses[image]
                }
            }
            result.outputs = next.outputs
        }
        for shard in images.indices {
            for index in 0..<result.gradient[shard].count { result.gradient[shard].pointer[index] /= Float(draws) }
            for image in result.values[shard].losses.indices { result.values[shard].losses[image] /= Double(draws) }
        }
        return result
    }

    /// See ``AttackTarget``.
    public func selecting(_ images: [[Int]]) -> AveragedTarget {
        AveragedTarget(target.selecting(images), draws: draws)
    }
}
