import Tensors

/// Projected gradient ascent on an objective within a ball (Madry et al., arXiv:1706.06083).
///
/// FGSM (arXiv:1412.6572) is the case of one step of size epsilon from the clean image.
public struct ProjectedGradientDescent: Attack, Hashable {
    /// Where the first iterate lies.
    public enum Start: String, CaseIterable, Sendable {
        /// Uniform in the ball, clamped to [0, 1].
        case uniform
        /// Uniform in the ball; pixels may lie outside of [0, 1] until the first step.
        case uniformUnclamped = "uniform-unclamped"
        /// At the clean image plus N(0, 0.001²), not clamped, where an objective has no slope at the image itself
        /// (TRADES, arXiv:1901.08573).
        case gaussian
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
    public var ball: PerturbationBall
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
    /// Whether a step goes from the clean image rather than from the iterate whose gradient it follows.
    public var leavesFromImage = false

    /// Makes an attack; see the properties.
    public init(
        ball: PerturbationBall, stepSize: Float, steps: Int, restarts: Int = 1, start: Start = .uniform,
        keep: Keep = .last
    ) {
        precondition(steps >= 0 && restarts >= 1, "PGD needs steps ≥ 0 and restarts ≥ 1, got \(steps) and \(restarts)")
        self.ball = ball
        self.stepSize = stepSize
        self.steps = steps
        self.restarts = restarts
        self.start = start
        self.keep = keep
    }

    /// FGSM: one step of size epsilon from the clean image, along the gradient at `start`.
    public static func fastGradientSign(
        _ ball: PerturbationBall, start: Start = .none, restarts: Int = 1
    ) -> ProjectedGradientDescent {
        var attack = ProjectedGradientDescent(
            ball: ball, stepSize: ball.epsilon, steps: 1, restarts: restarts, start: start)
        attack.leavesFromImage = true
        return attack
    }

    /// Returns adversarial images; see ``Attack``.
    public func perturb<Target: AttackTarget>(
        _ images: [Tensor], _ objective: Objective, samples: [[Int]], against target: Target, seed: UInt64, step: Int
    ) throws -> [Tensor] {
        let result = try Attempt.worst(of: restarts, objective, against: target, seed: seed) { seed in
            Attempt(images: try search(images, objective, samples: samples, against: target, seed: seed, step: step))
        }
        for (x, center) in zip(result, images) { try ball.verify(x, around: center) }
        return result
    }

    private func search(
        _ images: [Tensor], _ objective: Objective, samples: [[Int]], against target: some AttackTarget, seed: UInt64,
        step: Int
    ) throws -> [Tensor] {
        // Only a step brings an unclamped start back into [0, 1]: it is no result itself.
        let leavesRange = (start == .uniformUnclamped || start == .gaussian) && steps > 0
        let x = start.draw(ball, around: images, samples: samples, clamps: !leavesRange, seed: seed, step: step)
        guard keep == .best else {
            for _ in 0..<steps {
                ascend(x, try target.outcomeAndInputGradient(x, objective).gradient, around: images)
            }
            return x
        }
        let best = (leavesRange ? images : x).map { $0.duplicate() }
        var highest = x.map { [Double](repeating: -.infinity, count: $0.images) }
        for step in 0..<steps {
            let (outcomes, gradient) = try target.outcomeAndInputGradient(x, objective)
            if step > 0 || !leavesRange { keepHighest(x, outcomes, best, &highest) }
            ascend(x, gradient, around: images)
        }
        keepHighest(x, try target.outcome(x, objective), best, &highest)
        return best
    }

    private func ascend(_ x: [Tensor], _ gradient: [Tensor], around centers: [Tensor]) {
        for shard in x.indices {
            if leavesFromImage { x[shard].copy(from: centers[shard]) }
            ball.ascend(x[shard], along: gradient[shard], by: { _ in stepSize }, around: centers[shard])
        }
    }

    private func keepHighest(
        _ x: [Tensor], _ outcomes: [AttackOutcome], _ best: [Tensor], _ highest: inout [[Double]]
    ) {
        for shard in x.indices {
            for image in 0..<x[shard].images where outcomes[shard].losses[image] > highest[shard][image] {
                highest[shard][image] = outcomes[shard].losses[image]
                best[shard].copyImage(image, from: x[shard])
            }
        }
    }
}

extension ProjectedGradientDescent.Start {
    /// Returns first iterates in new tensors.
    func draw(
        _ ball: PerturbationBall, around images: [Tensor], samples: [[Int]], clamps: Bool, seed: UInt64, step: Int
    ) -> [Tensor] {
        images.indices.map { shard in
            if self == .none { return images[shard].duplicate() }
            let result = Tensor(like: images[shard])
            if self == .gaussian {
                nudge(images[shard], into: result, clamps: clamps, samples[shard], seed: seed, step: step)
                return result
            }
            ball.drawStart(around: images[shard], into: result, clamps: clamps) { image in
                RandomStream(seed: seed, purpose: .attackStart, step: step, index: samples[shard][image])
            }
            return result
        }
    }
    /// The deviation of ``gaussian``.
    private static let deviation: Float = 0.001

    private func nudge(
        _ images: Tensor, into result: Tensor, clamps: Bool, _ samples: [Int], seed: UInt64, step: Int
    ) {
        for image in 0..<images.images {
            var stream = RandomStream(seed: seed, purpose: .attackStart, step: step, index: samples[image])
            for index in image * images.imageSize..<(image + 1) * images.imageSize {
                let moved = images.pointer[index] + Self.deviation * stream.normal()
                result.pointer[index] = clamps ? min(max(moved, 0), 1) : moved
            }
        }
    }
}
