import Tensors

/// APGD: projected gradient ascent with momentum that chooses its own step sizes (Croce and Hein, arXiv:2003.01690), step
/// by step as in AutoAttack's public code where that and the paper differ.
///
/// Steps begin at 2 epsilon; `StepSizeControl` says when they are halved. Evaluations ask for an image that fools the
/// model, and training for one of high loss, see ``Keep``.
public struct AutoProjectedGradientDescent: Attack, Hashable {
    /// What is made large.
    public enum Goal: Hashable, Sendable {
        /// The objective that the attack is given.
        case given
        /// The targeted difference of logits ratio, once for each of so many classes: those of the second largest logit of
        /// the clean image, the third, and so on.
        case targets(Int)
    }

    /// Which images are searched, and which iterate is kept.
    public enum Keep: String, CaseIterable, Sendable {
        /// Images that are right, by each restart and target those that all before it have left; the last iterate that
        /// fools the model. An image that none fools becomes that of the highest loss of the last search. Images that are
        /// wrong when clean stay clean.
        ///
        /// How often the model is called depends on the images then: see ``AttackTarget/selecting(_:)``.
        case adversarial
        /// All images, by every restart; the iterate of the highest loss.
        case highestLoss = "highest-loss"
    }

    /// The weight of the new step beside that of the last move, alpha.
    private static let momentum: Float = 0.75

    /// Where images may go.
    public var ball: PerturbationBall
    /// Gradient steps of each restart.
    public var steps: Int
    /// Searches of each target, or of all.
    public var restarts: Int
    /// Where searches begin; a uniform draw is scaled until it touches the border of the ball.
    public var start: StartingPoint
    /// What is made large.
    public var goal: Goal
    /// Which images are searched, and which iterate is kept.
    public var keep: Keep

    /// Makes an attack; see the properties.
    public init(
        ball: PerturbationBall, steps: Int, restarts: Int = 1, start: StartingPoint = .uniform, goal: Goal = .given,
        keep: Keep = .adversarial
    ) {
        precondition(steps >= 1 && restarts >= 1, "APGD needs steps ≥ 1 and restarts ≥ 1, got \(steps) and \(restarts)")
        if case .targets(let count) = goal {
            precondition(count >= 1 && keep == .adversarial, "APGD-T needs a target and keeps adversarial images")
        }
        self.ball = ball
        self.steps = steps
        self.restarts = restarts
        self.start = start
        self.goal = goal
        self.keep = keep
    }

    /// Classes that a model must have for the targets.
    public var fewestClasses: Int {
        switch goal {
        case .given: 1
        case .targets(let count): max(count + 1, TargetedDifferenceOfLogitsRatioObjective.fewestClasses)
        }
    }

    /// Returns adversarial images; see ``Attack``.
    public func perturb(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) throws -> [Tensor] {
        var inquiry = Inquiry(target, objective, labels: batch.labels)
        let result: [Tensor]
        switch keep {
        case .adversarial: result = try adversarial(batch, &inquiry)
        case .highestLoss:
            result = try SearchResult.worst(of: restarts, batch, &inquiry) { batch, inquiry in
                let shards = try search(batch, &inquiry)
                return SearchResult(images: shards.map(\.best), outcomes: shards.map(\.bestOutcome))
            }
        }
        for (x, center) in zip(result, batch.images) { try ball.verify(x, around: center) }
        return result
    }

    private func adversarial<Target: AttackTarget>(
        _ batch: AttackBatch, _ inquiry: inout Inquiry<Target>
    ) throws -> [Tensor] {
        let clean = try inquiry.outputs(batch.images)
        var remaining = RemainingImages(batch, clean)
        func run(draw: Int) throws {
            try remaining.attack(&inquiry) { batch, inquiry in
                let shards = try search(batch.restarted(draw), &inquiry)
                return (shards.map(\.result), shards.map { $0.isFooled.map(!) })
            }
        }
        switch goal {
        case .given: for restart in 0..<restarts { try run(draw: restart) }
        case .targets(let count):
            for target in 0..<count {
                inquiry.objective = TargetedDifferenceOfLogitsRatioObjective(
                    labels: batch.labels, targets: TargetClasses.ofRank(target + 2, clean.map(\.logits)))
                for restart in 0..<restarts { try run(draw: target * restarts + restart) }
            }
        }
        return remaining.images
    }

    /// Searches once from a start of its own.
    private func search<Target: AttackTarget>(
        _ batch: AttackBatch, _ inquiry: inout Inquiry<Target>
    ) throws -> [Ascent] {
        let starts = start.draw(ball, batch, clamps: true, onBorder: true)
        let (first, gradient) = try inquiry.outcomesAndGradient(starts)
        var shards = starts.indices.map { shard in
            Ascent(
                ball, steps: steps, from: starts[shard], around: batch.images[shard], gradient: gradient[shard],
                outcome: first[shard])
        }
        for step in 1...steps {
            for shard in shards.indices { shards[shard].move(keeping: step > 1 ? Self.momentum : 1) }
            let x = shards.map(\.x)
            // Nothing follows the gradient at the last point.
            if step < steps {
                let (outcomes, gradient) = try inquiry.outcomesAndGradient(x)
                for shard in shards.indices { shards[shard].arrive(outcomes[shard], gradient: gradient[shard]) }
            } else {
                let outcomes = try inquiry.outcomes(x)
                for shard in shards.indices { shards[shard].arrive(outcomes[shard], gradient: nil) }
            }
        }
        return shards
    }
}

/// The state of a search over the images of one shard.
private struct Ascent {
    let ball: PerturbationBall
    let center: Tensor
    let x: Tensor
    private let previous: Tensor
    private let gradient: Tensor
    private var control: StepSizeControl
    /// The point of the highest loss of each image, and its gradient.
    let best: Tensor
    private let bestGradient: Tensor
    /// The last point of each image that fools the model.
    private let fooling: Tensor
    /// Whether there is any.
    private(set) var isFooled: [Bool]

    init(
        _ ball: PerturbationBall, steps: Int, from start: Tensor, around center: Tensor, gradient: Tensor,
        outcome: AttackOutcome
    ) {
        self.ball = ball
        self.center = center
        x = start
        previous = start.duplicate()
        self.gradient = gradient
        control = StepSizeControl(steps: steps, stepSize: 2 * ball.epsilon, losses: outcome.losses)
        best = start.duplicate()
        bestGradient = gradient.duplicate()
        fooling = start.duplicate()
        isFooled = outcome.isCorrect.map(!)
    }

    /// For each image the last point that fools the model, or that of the highest loss.
    var result: Tensor {
        let result = best.duplicate()
        for image in isFooled.indices where isFooled[image] { result.copyImage(image, from: fooling) }
        return result
    }

    /// The highest losses; what counts is nothing else.
    var bestOutcome: AttackOutcome {
        AttackOutcome(losses: control.best, isCorrect: control.best.map { _ in true })
    }

    /// Takes a step, and the rest of `share` from 1 along the last move.
    func move(keeping share: Float) {
        let next = x.duplicate()
        ball.ascend(next, along: gradient, by: { control.stepSizes[$0] }, around: center)
        let (here, before, moved) = (x.pointer, previous.pointer, next.pointer)
        for index in 0..<x.count {
            let last = here[index] - before[index]
            moved[index] = here[index] + (moved[index] - here[index]) * share + last * (1 - share)
        }
        ball.project(next, around: center)
        previous.copy(from: x)
        x.copy(from: next)
    }

    /// Takes note of what the step came to, and goes back where it does not pay.
    mutating func arrive(_ outcome: AttackOutcome, gradient new: Tensor?) {
        if let new { gradient.copy(from: new) }
        let isBest = control.arrive(outcome.losses)
        for image in 0..<x.images {
            if !outcome.isCorrect[image] {
                isFooled[image] = true
                fooling.copyImage(image, from: x)
            }
            if isBest[image] {
                best.copyImage(image, from: x)
                bestGradient.copyImage(image, from: gradient)
            }
        }
        for image in control.check() {
            x.copyImage(image, from: best)
            gradient.copyImage(image, from: bestGradient)
        }
    }
}
