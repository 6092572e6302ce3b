import Tensors

/// A search for images near given ones that a model gets wrong.
public protocol Attack: Sendable {
    /// Returns adversarial images for every shard; the clean ones stay as they are.
    ///
    /// - Parameters:
    ///   - images: The clean images, one tensor a shard.
    ///   - objective: What is made large.
    ///   - samples: The index in the data set of every image, `[shard][image]`: random draws depend on it, on `seed`,
    ///     `step` and the restart, on no rank and no order.
    ///   - target: The model.
    ///   - seed: The run's seed.
    ///   - step: The training step, or 0.
    /// - Throws: ``AttackError`` if a result is not where the attack may go; what the target throws.
    func perturb<Target: AttackTarget>(
        _ images: [Tensor], _ objective: Objective, samples: [[Int]], against target: Target, seed: UInt64, step: Int
    ) throws -> [Tensor]
}

/// What one of several searches came to.
struct Attempt {
    /// The adversarial images, one tensor a shard.
    var images: [Tensor]
    /// How the model fares on them, where the search knows.
    var outcomes: [AttackOutcome]?

    /// Runs a search several times, and keeps for each image the result that is worst for the model.
    /// - Parameter search: Runs it once with a seed of its own.
    static func worst(
        of restarts: Int, _ objective: Objective, against target: some AttackTarget, seed: UInt64,
        _ search: (_ seed: UInt64) throws -> Attempt
    ) throws -> [Tensor] {
        let first = try search(seed)
        guard restarts > 1 else { return first.images }
        var outcomes = try first.outcomes ?? target.outcome(first.images, objective)
        for restart in 1..<restarts {
            let next = try search(seed &+ UInt64(restart) << 32)
            let found = try next.outcomes ?? target.outcome(next.images, objective)
            for shard in first.images.indices {
                keepWorse(first.images[shard], &outcomes[shard], next.images[shard], found[shard])
            }
        }
        return first.images
    }

    /// Overwrites images by those of `next` that are worse for the model.
    static func keepWorse(_ images: Tensor, _ outcome: inout AttackOutcome, _ next: Tensor, _ found: AttackOutcome) {
        for image in 0..<images.images where outcome.becomeWorse(found, image: image) {
            images.copyImage(image, from: next)
        }
    }
}

extension Tensor {
    /// A tensor of the same shape and elements, in memory of its own.
    func duplicate() -> Tensor {
        let copy = Tensor(like: self)
        copy.copy(from: self)
        return copy
    }

    /// Copies one image of a tensor of the same shape.
    func copyImage(_ image: Int, from other: Tensor) {
        slice(image..<image + 1).copy(from: other.slice(image..<image + 1))
    }
}
