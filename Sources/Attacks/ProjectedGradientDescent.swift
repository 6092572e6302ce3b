import Tensors

/// Projected gradient ascent on an objective within a ball (Madry et al., arXiv:1706.06083).
///
/// FGSM (arXiv:1412.6572) is the case of one step of size epsilon from the clean image.
public struct ProjectedGradientDescent: Attack, Hashable {
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
    /// Searches; each image keeps the worst for the model.
    public var restarts: Int
    /// Where searches begin.
    public var start: StartingPoint
    /// Which iterate is kept.
    public var keep: Keep
    /// Whether a step goes from the clean image rather than from the iterate whose gradient it follows.
    public var leavesFromImage = false

    /// Makes an attack; see the properties.
    public init(
        ball: PerturbationBall, stepSize: Float, steps: Int, restarts: Int = 1, start: StartingPoint = .uniform,
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
        _ ball: PerturbationBall, start: StartingPoint = .none, restarts: Int = 1
    ) -> ProjectedGradientDescent {
        var attack = ProjectedGradientDescent(
            ball: ball, stepSize: ball.epsilon, steps: 1, restarts: restarts, start: start)
        attack.leavesFromImage = true
        return attack
    }

    /// Returns adversarial images; see ``Attack``.
    public func perturb(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) throws -> [Tensor] {
        var inquiry = Inquiry(target, objective, labels: batch.labels)
        let result = try SearchResult.worst(of: restarts, batch, &inquiry) { batch, inquiry in
            SearchResult(images: try search(batch, &inquiry))
        }
        for (x, center) in zip(result, batch.images) { try ball.verify(x, around: center) }
        return result
    }

    private func search<Target: AttackTarget>(
        _ batch: AttackBatch, _ inquiry: inout Inquiry<Target>
    ) throws -> [Tensor] {
        // Only a step brings an unclamped start back into [0, 1]: it is no result itself.
        let leavesRange = (start == .uniformUnclamped || start == .gaussian) && steps > 0
        let x = start.draw(ball, batch, clamps: !leavesRange)
        guard keep == .best else {
            for _ in 0..<steps { ascend(x, try inquiry.outcomesAndGradient(x).gradient, around: batch.images) }
            return x
        }
        let best = (leavesRange ? batch.images : x).map { $0.duplicate() }
        var highest = x.map { [Double](repeating: -.infinity, count: $0.images) }
        for step in 0..<steps {
            let (outcomes, gradient) = try inquiry.outcomesAndGradient(x)
            if step > 0 || !leavesRange { keepHighest(x, outcomes, best: best, &highest) }
            ascend(x, gradient, around: batch.images)
        }
        keepHighest(x, try inquiry.outcomes(x), best: best, &highest)
        return best
    }

    private func ascend(_ x: [Tensor], _ gradient: [Tensor], around centers: [Tensor]) {
        for shard in x.indices {
            if leavesFromImage { x[shard].copy(from: centers[shard]) }
            ball.ascend(x[shard], along: gradient[shard], by: { _ in stepSize }, around: centers[shard])
        }
    }

    private func keepHighest(
        _ x: [Tensor], _ outcomes: [AttackOutcome], best: [Tensor], _ highest: inout [[Double]]
    ) {
        for shard in x.indices {
            for image in 0..<x[shard].images where outcomes[shard].losses[image] > highest[shard][image] {
                highest[shard][image] = outcomes[shard].losses[image]
                best[shard].copyImage(image, from: x[shard])
            }
        }
    }
}
