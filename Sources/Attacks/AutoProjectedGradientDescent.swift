import Tensors

/// APGD: projected gradient ascent with momentum that chooses its own step sizes (Croce and Hein, arXiv:2003.01690,
/// algorithm 1), written from the paper.
///
/// Steps begin at 2 epsilon. At fixed checkpoints an image's step is halved, and its search goes on from its best point,
/// where too few of the steps since the last checkpoint raised the loss, or where neither step nor best loss changed
/// since then. The result is the iterate that is worst for the model: one that fools it if there is any, else that
/// of the highest loss.
public struct AutoProjectedGradientDescent: Attack, Hashable {
    /// The weight of the new step beside that of the last move, alpha.
    static let momentum: Float = 0.75
    /// The share of steps that have to raise the loss, rho.
    static let successShare = 0.75

    /// Where images may go.
    public var ball: PerturbationBall
    /// Gradient steps of each restart.
    public var steps: Int
    /// Searches; each image keeps the worst for the model.
    public var restarts: Int
    /// Where searches begin.
    public var start: StartingPoint

    /// Makes an attack; see the properties.
    public init(
        ball: PerturbationBall, steps: Int, restarts: Int = 1, start: StartingPoint = .uniform
    ) {
        precondition(steps >= 1 && restarts >= 1, "APGD needs steps ≥ 1 and restarts ≥ 1, got \(steps) and \(restarts)")
        self.ball = ball
        self.steps = steps
        self.restarts = restarts
        self.start = start
    }

    /// Steps after which step sizes are reconsidered, rising: ⌈p N⌉ for p = 0.22, and then larger by the last distance
    /// less 0.03, at least 0.06.
    static func checkpoints(steps: Int) -> [Int] {
        var (hundredths, distance) = (22, 22)
        var result: [Int] = []
        while hundredths <= 100 {
            let checkpoint = (hundredths * steps + 99) / 100
            if checkpoint > result.last ?? 0 { result.append(checkpoint) }
            distance = max(distance - 3, 6)
            hundredths += distance
        }
        return result
    }

    /// Returns adversarial images; see ``Attack``.
    public func perturb(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) throws -> [Tensor] {
        var inquiry = Inquiry(target, objective, labels: batch.labels)
        let result = try SearchResult.worst(of: restarts, batch, &inquiry) { batch, inquiry in
            try search(from: start.draw(ball, batch, clamps: true), around: batch.images, &inquiry)
        }
        for (x, center) in zip(result, batch.images) { try ball.verify(x, around: center) }
        return result
    }

    private func search<Target: AttackTarget>(
        from start: [Tensor], around centers: [Tensor], _ inquiry: inout Inquiry<Target>
    ) throws -> SearchResult {
        let (first, gradient) = try inquiry.outcomesAndGradient(start)
        var shards = start.indices.map { shard in
            Ascent(
                ball, from: start[shard], around: centers[shard], gradient: gradient[shard], outcome: first[shard])
        }
        let checkpoints = AutoProjectedGradientDescent.checkpoints(steps: steps)
        var last = 0
        for step in 1...steps {
            for shard in shards.indices { shards[shard].move(hasMomentum: step > 1) }
            let x = shards.map(\.x)
            if step < steps {
                let (outcomes, gradient) = try inquiry.outcomesAndGradient(x)
                for shard in shards.indices { shards[shard].arrive(outcomes[shard], gradient: gradient[shard]) }
            } else {
                let outcomes = try inquiry.outcomes(x)
                for shard in shards.indices { shards[shard].arrive(outcomes[shard], gradient: nil) }
            }
            if checkpoints.contains(step) {
                for shard in shards.indices { shards[shard].reconsider(stepsSinceLast: step - last) }
                last = step
            }
        }
        return SearchResult(images: shards.map(\.worst), outcomes: shards.map(\.worstOutcome))
    }
}

/// The state of a search over the images of one shard.
private struct Ascent {
    let ball: PerturbationBall
    let center: Tensor
    private(set) var x: Tensor
    private var previous: Tensor
    private let gradient: Tensor
    private var losses: [Double]
    /// The point of the highest loss of each image, and its gradient.
    private let best: Tensor
    private let bestGradient: Tensor
    private var bestLosses: [Double]
    /// The result so far.
    let worst: Tensor
    private(set) var worstOutcome: AttackOutcome
    private var stepSizes: [Float]
    /// Since the last checkpoint: steps that raised the loss; the best loss and whether the step was halved there.
    private var successes: [Int]
    private var bestAtCheckpoint: [Double]
    private var wasHalved: [Bool]

    init(
        _ ball: PerturbationBall, from start: Tensor, around center: Tensor, gradient: Tensor, outcome: AttackOutcome
    ) {
        self.ball = ball
        self.center = center
        x = start
        previous = start.duplicate()
        self.gradient = gradient
        losses = outcome.losses
        best = start.duplicate()
        bestGradient = gradient.duplicate()
        bestLosses = losses
        worst = start.duplicate()
        worstOutcome = outcome
        stepSizes = [Float](repeating: 2 * ball.epsilon, count: start.images)
        successes = [Int](repeating: 0, count: start.images)
        bestAtCheckpoint = losses
        wasHalved = [Bool](repeating: false, count: start.images)
    }

    /// Takes a step, part of it along the last move.
    mutating func move(hasMomentum: Bool) {
        let next = x.duplicate()
        ball.ascend(next, along: gradient, by: { stepSizes[$0] }, around: center)
        if hasMomentum {
            let share = AutoProjectedGradientDescent.momentum
            for index in 0..<x.count {
                let here = x.pointer[index]
                next.pointer[index] =
                    here + share * (next.pointer[index] - here) + (1 - share) * (here - previous.pointer[index])
            }
            ball.project(next, around: center)
        }
        previous = x
        x = next
    }

    /// Takes note of what the step came to.
    mutating func arrive(_ outcome: AttackOutcome, gradient new: Tensor?) {
        SearchResult.keepWorse(worst, &worstOutcome, next: x, found: outcome)
        if let new { gradient.copy(from: new) }
        for image in 0..<x.images {
            if outcome.losses[image] > losses[image] { successes[image] += 1 }
            if outcome.losses[image] > bestLosses[image] {
                bestLosses[image] = outcome.losses[image]
                best.copyImage(image, from: x)
                bestGradient.copyImage(image, from: gradient)
            }
        }
        losses = outcome.losses
    }

    /// Halves the steps that do not pay, and sends those images back to their best points.
    mutating func reconsider(stepsSinceLast steps: Int) {
        for image in 0..<x.images {
            let pays = Double(successes[image]) >= AutoProjectedGradientDescent.successShare * Double(steps)
            let isStuck = !wasHalved[image] && bestLosses[image] == bestAtCheckpoint[image]
            wasHalved[image] = !pays || isStuck
            if wasHalved[image] {
                stepSizes[image] /= 2
                x.copyImage(image, from: best)
                gradient.copyImage(image, from: bestGradient)
                losses[image] = bestLosses[image]
            }
            successes[image] = 0
            bestAtCheckpoint[image] = bestLosses[image]
        }
    }
}
