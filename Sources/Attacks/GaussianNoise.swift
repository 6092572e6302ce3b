import Tensors

/// Adds N(0, deviation²) to every channel of every pixel and clamps to [0, 1]: a corruption that asks no model.
public struct GaussianNoise: Attack, Hashable {
    /// The deviation in pixel units, 0 or more.
    public var deviation: Float

    /// Makes the noise.
    public init(deviation: Float) {
        precondition(deviation >= 0, "a deviation must be at least 0, got \(deviation)")
        self.deviation = deviation
    }

    /// It asks no model.
    public var access: AttackAccess { .none }

    /// Returns noisy images; see ``Attack``.
    public func perturb(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) -> [Tensor] {
        zip(batch.images, batch.samples).map { shard, samples in
            let result = Tensor(like: shard)
            for image in 0..<shard.images {
                var stream = RandomStream(
                    seed: batch.seed, purpose: .attackStart, step: batch.step, index: samples[image])
                for index in image * shard.imageSize..<(image + 1) * shard.imageSize {
                    result.pointer[index] = min(max(shard.pointer[index] + deviation * stream.normal(), 0), 1)
                }
            }
            return result
        }
    }
}
