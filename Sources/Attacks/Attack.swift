import Tensors

/// A search for images near given ones that a model gets wrong.
public protocol Attack: Sendable {
    /// What of the model the search goes by.
    var access: AttackAccess { get }

    /// Classes that a model must have.
    var fewestClasses: Int { get }

    /// Returns adversarial images for every shard; the clean ones stay as they are.
    ///
    /// - Parameters:
    ///   - batch: The clean images.
    ///   - objective: What is made large.
    ///   - target: The model.
    /// - Throws: ``AttackError`` if a result is not where the attack may go; what the target throws.
    func perturb(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) throws -> [Tensor]
}

extension Attack {
    /// Most attacks do with any number.
    public var fewestClasses: Int { 1 }
}

/// What of a model a search goes by.
public enum AttackAccess: Sendable {
    /// Gradients of the model.
    case gradients
    /// What the model gives, asked again and again.
    case outputs
    /// Another model, or images that were made before.
    case elsewhere
    /// Nothing.
    case none
}

extension Attack {
    /// Most searches follow gradients.
    public var access: AttackAccess { .gradients }
}

/// Images to attack, and what random draws depend on.
public struct AttackBatch {
    /// NHWC in [0, 1], one tensor a shard.
    public var images: [Tensor]
    /// The class of every image, `[shard][image]`, which says what predictions are right.
    public var labels: [[Int32]]
    /// The index in the data set of every image, `[shard][image]`: random draws depend on it, on `seed`, `step` and the
    /// restart, on no rank and no order.
    public var samples: [[Int]]
    /// The run's seed.
    public var seed: UInt64
    /// The training step, or 0.
    public var step: Int

    /// Makes a batch; see the properties.
    public init(images: [Tensor], labels: [[Int32]], samples: [[Int]], seed: UInt64, step: Int = 0) {
        self.images = images
        self.labels = labels
        self.samples = samples
        self.seed = seed
        self.step = step
    }

    /// The batch of images `images[shard]` of every shard alone, in that order, in tensors of their own.
    public func selecting(_ images: [[Int]]) -> AttackBatch {
        AttackBatch(
            images: self.images.selecting(images), labels: labels.selecting(images),
            samples: samples.selecting(images), seed: seed, step: step)
    }

    /// The same with the draws of one of several restarts.
    func restarted(_ restart: Int) -> AttackBatch {
        var other = self
        other.seed &+= UInt64(restart) << 32
        return other
    }
}

/// What one of several searches came to.
struct SearchResult {
    /// The adversarial images, one tensor a shard.
    var images: [Tensor]
    /// How the model fares on them, where the search knows.
    var outcomes: [AttackOutcome]?

    /// Runs a search several times, and keeps for each image the result that is worst for the model.
    /// - Parameter search: Runs it once on the batch with draws of its own.
    static func worst<Target: AttackTarget>(
        of restarts: Int, _ batch: AttackBatch, _ inquiry: inout Inquiry<Target>,
        search: (AttackBatch, inout Inquiry<Target>) throws -> SearchResult
    ) throws -> [Tensor] {
        let first = try search(batch, &inquiry)
        guard restarts > 1 else { return first.images }
        var outcomes = try first.outcomes ?? inquiry.outcomes(first.images)
        for restart in 1..<restarts {
            let next = try search(batch.restarted(restart), &inquiry)
            let found = try next.outcomes ?? inquiry.outcomes(next.images)
            for shard in first.images.indices {
                keepWorse(first.images[shard], &outcomes[shard], next: next.images[shard], found: found[shard])
            }
        }
        return first.images
    }

    /// Overwrites images by those of `next` that are worse for the model.
    static func keepWorse(_ images: Tensor, _ outcome: inout AttackOutcome, next: Tensor, found: AttackOutcome) {
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
