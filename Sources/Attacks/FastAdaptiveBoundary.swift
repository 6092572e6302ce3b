import Tensors

/// FAB: a search for the nearest point that the model gets wrong, which knows no radius (Croce and Hein,
/// arXiv:1907.02044), with the defaults of AutoAttack (arXiv:2003.01690), whose FAB-T the targeted version is.
///
/// Each step takes the boundary between the label and another class for a hyperplane, goes a little past the nearest
/// point of it, drawn a bit towards the point of it that is nearest to the clean image, and, once there the model is
/// wrong, goes part of the way back to the clean image. The nearest wrong point of all counts if it lies in the ball.
///
/// Only images that the model gets right are searched. The other class is in turn each of the likeliest on the clean
/// image or, in the untargeted version, at each step the one whose boundary seems nearest. It brings its own objective.
public struct FastAdaptiveBoundary: Attack, Hashable {
    /// The largest weight of the clean image's own nearest point, alpha max.
    static let largestBias: Float = 0.1
    /// How far a step goes, where 1 reaches the hyperplane, eta.
    static let overshoot: Float = 1.05
    /// What is left of a change after the way back, beta.
    static let backward: Float = 0.9

    /// Where results have to lie; a search goes farther.
    public var ball: PerturbationBall
    /// Steps of each search: a gradient and an output each or, untargeted, a gradient for every wrong class.
    public var steps: Int
    /// Searches for each target class; the first begins at the clean image, others at random within half the radius.
    public var restarts: Int
    /// How many classes are targets, from the likeliest wrong one on, one after the other as long as the image is right,
    /// and at most all; nil for the untargeted version.
    public var targets: Int?

    /// Makes an attack; see the properties.
    public init(ball: PerturbationBall, steps: Int = 100, restarts: Int = 1, targets: Int? = 9) {
        precondition(
            steps >= 1 && restarts >= 1 && targets ?? 1 >= 1,
            "FAB needs steps, restarts and targets ≥ 1, got \(steps), \(restarts) and \(targets ?? 1)")
        self.ball = ball
        self.steps = steps
        self.restarts = restarts
        self.targets = targets
    }

    /// One more than the targets.
    public var fewestClasses: Int { (targets ?? 1) + 1 }

    /// Returns adversarial images, and clean ones where none was found in the ball; see ``Attack``.
    public func perturb(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) throws -> [Tensor] {
        var inquiry = Inquiry(target, MarginObjective(labels: batch.labels), labels: batch.labels)
        let clean = try inquiry.outputs(batch.images)
        let classes = clean.first?.logits.channels ?? 0
        guard classes > 1 else { return batch.images.map { $0.duplicate() } }
        var remaining = RemainingImages(batch, clean)
        for round in 0..<min(targets ?? 1, classes - 1) {
            if targets != nil {
                inquiry.objective = LogitDifferenceObjective(
                    labels: batch.labels, targets: TargetClasses.ofRank(round + 2, clean.map(\.logits)))
            }
            for restart in 0..<restarts {
                try remaining.attack(&inquiry) { batch, inquiry in
                    let batch = batch.restarted(round * restarts + restart)
                    let start = restart == 0 ? batch.images.map { $0.duplicate() } : draw(around: batch)
                    let shards = try search(from: start, around: batch.images, classes: classes, &inquiry)
                    return (shards.map { $0.images(within: ball.epsilon) }, shards.map { $0.isOutside(ball.epsilon) })
                }
            }
        }
        for (x, center) in zip(remaining.images, batch.images) { try ball.verify(x, around: center) }
        return remaining.images
    }

    /// First points of later restarts: at random, at most half the radius away.
    private func draw(around batch: AttackBatch) -> [Tensor] {
        zip(batch.images, batch.samples).map { images, samples in
            let x = Tensor(like: images)
            for (image, sample) in samples.enumerated() {
                var stream = RandomStream(seed: batch.seed, purpose: .attackStart, step: batch.step, index: sample)
                let (start, size) = (image * x.imageSize, x.imageSize)
                for index in start..<start + size {
                    x.pointer[index] = ball.norm == .linf ? 2 * stream.uniform() - 1 : stream.normal()
                }
                let factor = ball.epsilon / 2 / ImageVector(x, image: image).length(ball.norm)
                for index in start..<start + size {
                    x.pointer[index] = min(max(images.pointer[index] + factor * x.pointer[index], 0), 1)
                }
            }
            return x
        }
    }

    private func search<Target: AttackTarget>(
        from x: [Tensor], around centers: [Tensor], classes: Int, _ inquiry: inout Inquiry<Target>
    ) throws -> [BoundarySearch] {
        var shards = zip(x, centers).map { BoundarySearch(from: $0, around: $1, ball.norm) }
        for _ in 0..<steps {
            let boundaries =
                targets == nil
                ? try nearestBoundary(x, classes: classes, &inquiry) : try boundary(x, &inquiry)
            for shard in x.indices { shards[shard].approach(boundaries[shard]) }
            let isRight = inquiry.isRight(try inquiry.outputs(x).map(\.logits))
            for shard in x.indices { shards[shard].arrive(isRight[shard]) }
        }
        return shards
    }

    /// The boundary between the label of each image and the class that the objective sets against it.
    private func boundary<Target: AttackTarget>(
        _ x: [Tensor], _ inquiry: inout Inquiry<Target>
    ) throws -> [Boundary] {
        let (outcomes, gradient) = try inquiry.outcomesAndGradient(x)
        return zip(outcomes, gradient).map { Boundary(differences: $0.losses, gradient: $1) }
    }

    /// The boundary of each image that is nearest by the slopes at `x`; of equal ones, that of the lowest class.
    private func nearestBoundary<Target: AttackTarget>(
        _ x: [Tensor], classes: Int, _ inquiry: inout Inquiry<Target>
    ) throws -> [Boundary] {
        var nearest: [Boundary] = []
        for number in 0..<classes - 1 {
            inquiry.objective = LogitDifferenceObjective(
                labels: inquiry.labels,
                targets: inquiry.labels.map { $0.map { Int32(number < $0 ? number : number + 1) } })
            let next = try boundary(x, &inquiry)
            if number == 0 {
                nearest = next
            } else {
                for shard in x.indices { nearest[shard].takeNearer(next[shard], ball.norm) }
            }
        }
        return nearest
    }
}
