import Tensors

@testable import Attacks

/// The momentum iterative method (Dong et al., arXiv:1710.06081): steps along a running sum of gradients, each divided by
/// the mean of its magnitudes, from the clean image on.
public struct MomentumIteration: Attack, Hashable {
    /// Where images may go.
    public var ball: PerturbationBall
    /// How far a step goes, in pixel units.
    public var stepSize: Float
    /// Gradient steps.
    public var steps: Int
    /// How much of the sum a step keeps, at least 0.
    public var decay: Float

    /// Makes an attack; see the properties.
    public init(ball: PerturbationBall, stepSize: Float, steps: Int, decay: Float = 1) {
        self.ball = ball
        self.stepSize = stepSize
        self.steps = steps
        self.decay = decay
    }

    /// Returns adversarial images; see ``Attack``.
    public func perturb(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) throws -> [Tensor] {
        let x = StartingPoint.none.draw(ball, batch, clamps: true)
        let sums = x.map { Tensor(like: $0) }
        for sum in sums { sum.fill(0) }
        for step in 0..<steps {
            let gradient = try target.outputsAndInputGradient(x, objective, draw: step).gradient
            for shard in x.indices {
                accumulate(gradient[shard], into: sums[shard])
                ball.ascend(x[shard], along: sums[shard], by: { _ in stepSize }, around: batch.images[shard])
            }
        }
        for (x, center) in zip(x, batch.images) { try ball.verify(x, around: center) }
        return x
    }

    private func accumulate(_ gradient: Tensor, into sum: Tensor) {
        for image in 0..<gradient.images {
            let range = image * gradient.imageSize..<(image + 1) * gradient.imageSize
            let magnitude = range.reduce(Float(0)) { $0 + abs(gradient.pointer[$1]) } / Float(gradient.imageSize)
            for index in range {
                let share = magnitude > 0 ? gradient.pointer[index] / magnitude : 0
                sum.pointer[index] = decay * sum.pointer[index] + share
            }
        }
    }
}
