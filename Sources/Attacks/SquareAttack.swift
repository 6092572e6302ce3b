import Tensors

/// The Square attack: a random search that asks for no gradient (Andriushchenko et al., arXiv:1912.00049), with the
/// choices of AutoAttack (arXiv:2003.01690).
///
/// Every query changes a square of the image, and the change stays if the margin, the label's logit less the largest
/// other one, becomes smaller or the prediction wrong. Sides of squares shrink on a fixed schedule, whatever the number
/// of queries. Only images that the model gets right are searched, each until it no longer is.
///
/// An image's draws depend on the seed, its sample, and the query alone. They have the distribution of AutoAttack, which
/// draws for a whole batch at once; they are not the same draws. It brings its own objective.
public struct SquareAttack: Attack, Hashable {
    /// Where images may go.
    public var ball: PerturbationBall
    /// Queries after the first point.
    public var queries: Int
    /// The share of the pixels that the first squares change.
    public var initialShare: Double

    /// Makes an attack; see the properties.
    public init(ball: PerturbationBall, queries: Int = 5000, initialShare: Double = 0.8) {
        precondition(
            queries >= 0 && initialShare > 0 && initialShare <= 1,
            "Square needs queries ≥ 0 and a share in (0, 1], got \(queries) and \(initialShare)")
        self.ball = ball
        self.queries = queries
        self.initialShare = initialShare
    }

    /// The queries after which the share of pixels is halved.
    static let halvings = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000]

    /// The side of the square that query `query`, from 0, changes in an image of that height and width.
    func side(query: Int, height: Int, width: Int) -> Int {
        let halvings = Self.halvings.count { query > $0 }
        let share = initialShare / Double(1 << halvings)
        let side = Int((share * Double(height * width)).squareRoot().rounded(.toNearestOrEven))
        let smallest = ball.norm == .linf ? 1 : 3
        let wanted = max(side, smallest)
        // The patterns of l2 have a middle.
        return min(ball.norm == .l2 && wanted % 2 == 0 ? wanted + 1 : wanted, height, width)
    }

    /// It sees no gradient.
    public var access: AttackAccess { .outputs }

    /// Returns adversarial images, and clean ones where none was found; see ``Attack``.
    public func perturb(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) throws -> [Tensor] {
        var inquiry = Inquiry(target, MarginObjective(labels: batch.labels), labels: batch.labels)
        var remaining = RemainingImages(batch, try inquiry.outputs(batch.images))
        try remaining.attack(&inquiry) { try search($0, &$1) }
        for (x, center) in zip(remaining.images, batch.images) { try ball.verify(x, around: center) }
        return remaining.images
    }

    /// Searches images that are right, each until it is not; those that stay right come back clean.
    private func search<Target: AttackTarget>(
        _ batch: AttackBatch, _ inquiry: inout Inquiry<Target>
    ) throws -> (images: [Tensor], isCorrect: [[Bool]]) {
        let result = batch.images.map { $0.duplicate() }
        var isCorrect = batch.labels.map { $0.map { _ in true } }
        var inPlay = batch.labels.map { Array($0.indices) }
        var shards = batch.images.indices.map { shard in
            SquareSearch(around: batch.images[shard], labels: batch.labels[shard], ball) { image in
                RandomStream(
                    seed: batch.seed, purpose: .squareAttack, step: batch.step, index: batch.samples[shard][image])
            }
        }
        for query in -1..<queries where !inPlay.allSatisfy(\.isEmpty) {
            for (shard, images) in batch.images.enumerated() {
                if query < 0 {
                    shards[shard].start()
                } else {
                    shards[shard].propose(side: side(query: query, height: images.height, width: images.width))
                }
            }
            let logits = try inquiry.outputs(shards.map(\.candidate)).map(\.logits)
            let isRight = inquiry.isRight(logits)
            for shard in shards.indices { shards[shard].judge(logits[shard], isRight[shard]) }
            guard isRight.contains(where: { $0.contains(false) }) else { continue }
            for shard in shards.indices {
                for (place, image) in inPlay[shard].enumerated() where !isRight[shard][place] {
                    isCorrect[shard][image] = false
                    result[shard].slice(image..<image + 1).copy(from: shards[shard].best.slice(place..<place + 1))
                }
            }
            let remaining = isRight.map { flags in flags.indices.filter { flags[$0] } }
            inPlay = inPlay.selecting(remaining)
            inquiry.select(remaining)
            for shard in shards.indices { shards[shard].select(remaining[shard]) }
        }
        return (result, isCorrect)
    }
}
