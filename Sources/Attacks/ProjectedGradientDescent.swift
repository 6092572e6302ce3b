import Tensors

/// Projected gradient ascent on an objective within an L-infinity ball (Madry et al., arXiv:1706.06083).
///
/// FGSM (arXiv:1412.6572) is the case of one step of size epsilon without a random start.
public struct ProjectedGradientDescent: Hashable, Sendable {
    /// Where the first iterate lies.
    public enum Start: String, CaseIterable, Sendable {
        /// Uniform in the ball, clamped to [0, 1].
        case uniform
        /// Uniform in the ball; pixels may lie outside of [0, 1] until the first step.
        case uniformUnclamped = "uniform-unclamped"
        /// At the clean image.
        case none
    }

    /// Which iterate of a restart is kept.
    public enum Keep: String, CaseIterable, Sendable {
        /// The last one.
        case last
        /// The one of the highest loss (one more forward pass).
        case best
    }

    /// Where images may go.
    public var ball: LinfBall
    /// How far a step goes, in pixel units.
    public var stepSize: Float
    /// Gradient steps of each restart.
    public var steps: Int
    /// Attempts; each image keeps the worst for the model.
    public var restarts: Int
    /// Where attempts begin.
    public var start: Start
    /// Which iterate is kept.
    public var keep: Keep

    /// Makes an attack; see the properties.
    public init(
        ball: LinfBall, stepSize: Float, steps: Int, restarts: Int = 1, start: Start = .uniform, keep: Keep = .last
    ) {
        precondition(steps >= 0 && restarts >= 1, "PGD needs steps ≥ 0 and restarts ≥ 1, got \(steps) and \(restarts)")
        self.ball = ball
        self.stepSize = stepSize
        self.steps = steps
        self.restarts = restarts
        self.start = start
        self.keep = keep
    }

    /// FGSM.
    public static func fastGradientSign(_ ball: LinfBall) -> ProjectedGradientDescent {
        ProjectedGradientDescent(ball: ball, stepSize: ball.epsilon, steps: 1, start: .none)
    }

    /// Returns adversarial images for every shard; the clean ones stay as they are.
    ///
    /// - Parameters:
    ///   - samples: The index in the data set of every image, `[shard][image]`: starts depend on it, on `seed`, `step`
    ///     and the restart, on no rank and no order.
    ///   - step: The training step, or 0.
    public func perturb(
        _ images: [Tensor], _ objective: Objective, samples: [[Int]], against target: some AttackTarget, seed: UInt64,
        step: Int
    ) throws -> [Tensor] {
        var best = try attempt(images, objective, samples: samples, against: target, seed: seed, step: step)
        if restarts > 1 {
            var outcomes = try target.outcome(best, objective)
            for restart in 1..<restarts {
                let next = try attempt(
                    images, objective, samples: samples, against: target, seed: seed &+ UInt64(restart) << 32,
                    step: step)
                let found = try target.outcome(next, objective)
                for shard in best.indices {
                    keepWorse(&best[shard], &outcomes[shard], next[shard], found[shard])
                }
            }
        }
        for (x, center) in zip(best, images) { try ball.verify(x, around: center) }
        return best
    }

    private func keepWorse(_ best: inout Tensor, _ outcome: inout AttackOutcome, _ next: Tensor, _ found: AttackOutcome)
    {
        for image in 0..<best.images {
            let fools = outcome.isCorrect[image] && !found.isCorrect[image]
            let hurts =
                outcome.isCorrect[image] == found.isCorrect[image] && found.losses[image] > outcome.losses[image]
            if !fools && !hurts { continue }
            outcome.isCorrect[image] = found.isCorrect[image]
            outcome.losses[image] = found.losses[image]
            best.slice(image..<image + 1).copy(from: next.slice(image..<image + 1))
        }
    }

    private func attempt(
        _ images: [Tensor], _ objective: Objective, samples: [[Int]], against target: some AttackTarget, seed: UInt64,
        step: Int
    ) throws -> [Tensor] {
        // Only a step brings an unclamped start back into [0, 1]: it is no result itself.
        let leavesRange = start == .uniformUnclamped && steps > 0
        let x = images.indices.map { shard -> Tensor in
            let result = Tensor(like: images[shard])
            switch start {
            case .none: result.copy(from: images[shard])
            case .uniform, .uniformUnclamped:
                ball.drawStart(around: images[shard], into: result, clamps: !leavesRange) { image in
                    RandomStream(seed: seed, purpose: .attackStart, step: step, index: samples[shard][image])
                }
            }
            return result
        }
        guard keep == .best else {
            for _ in 0..<steps {
                let (_, gradient) = try target.lossesAndInputGradient(x, objective)
                ascend(x, along: gradient, around: images)
            }
            return x
        }
        let best = (leavesRange ? images : x).map { tensor in
            let copy = Tensor(like: tensor)
            copy.copy(from: tensor)
            return copy
        }
        var highest = x.map { [Double](repeating: -.infinity, count: $0.images) }
        for step in 0..<steps {
            let (losses, gradient) = try target.lossesAndInputGradient(x, objective)
            if step > 0 || !leavesRange { keepHighest(x, losses, best, &highest) }
            ascend(x, along: gradient, around: images)
        }
        keepHighest(x, try target.outcome(x, objective).map(\.losses), best, &highest)
        return best
    }

    private func ascend(_ x: [Tensor], along gradient: [Tensor], around centers: [Tensor]) {
        for shard in x.indices {
            ball.ascend(x[shard], along: gradient[shard], by: stepSize, around: centers[shard])
        }
    }

    private func keepHighest(_ x: [Tensor], _ losses: [[Double]], _ best: [Tensor], _ highest: inout [[Double]]) {
        for shard in x.indices {
            for image in 0..<x[shard].images where losses[shard][image] > highest[shard][image] {
                highest[shard][image] = losses[shard][image]
                best[shard].slice(image..<image + 1).copy(from: x[shard].slice(image..<image + 1))
            }
        }
    }
}
