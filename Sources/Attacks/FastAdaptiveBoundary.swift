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

    /// Returns adversarial images, and clean ones where none was found in the ball; see ``Attack``.
    public func perturb(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) throws -> [Tensor] {
        var inquiry = Inquiry(target, MarginObjective(labels: batch.labels), labels: batch.labels)
        let result = batch.images.map { $0.duplicate() }
        let clean = try inquiry.outputs(batch.images).map(\.logits)
        let classes = clean.first?.channels ?? 0
        guard classes > 1 else { return result }
        var isRight = inquiry.isRight(clean)
        // Target classes by their rank among the clean logits, from 1, which is the label's own.
        let ranks = targets.map { targets in (1..<min(targets + 1, classes)).map { Optional($0 + 1) } } ?? [nil]
        for (round, rank) in ranks.enumerated() {
            let targets = rank.map { TargetClasses.ofRank($0, clean) }
            for restart in 0..<restarts {
                let right = isRight.map { flags in flags.indices.filter { flags[$0] } }
                if right.allSatisfy(\.isEmpty) { break }
                let part = batch.selecting(right).restarted(round * restarts + restart)
                let start = restart == 0 ? part.images.map { $0.duplicate() } : draw(around: part)
                let found = try inquiry.selecting(right) { inquiry in
                    try search(from: start, around: part.images, &inquiry) { x, inquiry in
                        if let targets { return try boundary(x, to: targets.selecting(right), &inquiry) }
                        return try nearestBoundary(x, classes: classes, &inquiry)
                    }
                }
                for (shard, images) in right.enumerated() {
                    for (place, image) in images.enumerated() where found[shard].isWithin(ball.epsilon, place) {
                        isRight[shard][image] = false
                        result[shard].slice(image..<image + 1).copy(from: found[shard].nearest.slice(place..<place + 1))
                    }
                }
            }
        }
        for (x, center) in zip(result, batch.images) { try ball.verify(x, around: center) }
        return result
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
        from x: [Tensor], around centers: [Tensor], _ inquiry: inout Inquiry<Target>,
        boundaries: ([Tensor], inout Inquiry<Target>) throws -> [Boundary]
    ) throws -> [BoundarySearch] {
        var shards = zip(x, centers).map { BoundarySearch(from: $0, around: $1, ball.norm) }
        for _ in 0..<steps {
            let boundaries = try boundaries(x, &inquiry)
            for shard in x.indices { shards[shard].approach(boundaries[shard]) }
            let isRight = inquiry.isRight(try inquiry.outputs(x).map(\.logits))
            for shard in x.indices { shards[shard].arrive(isRight[shard]) }
        }
        return shards
    }

    /// The boundary between the label of each image and another class.
    private func boundary<Target: AttackTarget>(
        _ x: [Tensor], to classes: [[Int32]], _ inquiry: inout Inquiry<Target>
    ) throws -> [Boundary] {
        inquiry.objective = LogitDifferenceObjective(labels: inquiry.labels, targets: classes)
        let (outcomes, gradient) = try inquiry.outcomesAndGradient(x)
        return zip(outcomes, gradient).map { Boundary(differences: $0.losses, gradient: $1) }
    }

    /// The boundary of each image that is nearest by the slopes at `x`; of equal ones, that of the lowest class.
    private func nearestBoundary<Target: AttackTarget>(
        _ x: [Tensor], classes: Int, _ inquiry: inout Inquiry<Target>
    ) throws -> [Boundary] {
        func others(_ number: Int) -> [[Int32]] {
            inquiry.labels.map { $0.map { Int32(number < $0 ? number : number + 1) } }
        }
        var nearest = try boundary(x, to: others(0), &inquiry)
        for number in 1..<classes - 1 {
            let next = try boundary(x, to: others(number), &inquiry)
            for shard in x.indices { nearest[shard].takeNearer(next[shard], ball.norm) }
        }
        return nearest
    }
}
