import Tensors

/// A model as attacks see it: what it gives, and input gradients of objectives; nothing else.
///
/// Images are NHWC in [0, 1], one tensor a shard. Every call sees the same images of the same shards, until
/// ``selecting(_:)`` names others. Ranks that attack together make the same calls in the same order, with no image too.
public protocol AttackTarget {
    /// Returns what the model gives for the images of each shard.
    ///
    /// - Parameters:
    ///   - readsRouters: Whether what routers give is wanted too.
    ///   - draw: The number of the call within its attack, from 0, from which a model with noise draws it.
    func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) throws -> [ModelOutputs]

    /// Returns what the model gives, the objective's value, and the gradient of the sum of all losses with respect to the
    /// images, in pixel units.
    func outputsAndInputGradient(
        _ images: [Tensor], _ objective: any Objective, draw: Int
    ) throws -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor])

    /// Returns the model as it sees images `images[shard]` of every shard alone, in that order.
    ///
    /// Searches that carry on only images which are still right call it, and make as many calls as these need: a model
    /// whose calls are collective, or in which images of a batch act on each other, is none for them.
    func selecting(_ images: [[Int]]) -> Self
}

/// How a model fares on the images of one shard.
public struct AttackOutcome: Sendable {
    /// The loss of each image.
    public var losses: [Double]
    /// Whether the prediction is the label.
    public var isCorrect: [Bool]

    /// Makes an outcome; both lists have one entry an image.
    public init(losses: [Double], isCorrect: [Bool]) {
        self.losses = losses
        self.isCorrect = isCorrect
    }

    init(_ outputs: ModelOutputs, _ value: ObjectiveValue, labels: [Int32]) {
        losses = value.losses
        isCorrect = zip(CrossEntropy.predictions(outputs.logits), labels).map { $0 == $1 }
    }

    /// Takes over another outcome of one image, and says so, if it is worse for the model: fooled rather than right,
    /// else the higher loss.
    mutating func becomeWorse(_ other: AttackOutcome, image: Int) -> Bool {
        let fools = isCorrect[image] && !other.isCorrect[image]
        let hurts = isCorrect[image] == other.isCorrect[image] && other.losses[image] > losses[image]
        guard fools || hurts else { return false }
        isCorrect[image] = other.isCorrect[image]
        losses[image] = other.losses[image]
        return true
    }
}

/// One attack's calls to a model: what is asked of it, and how often it was asked.
struct Inquiry<Target: AttackTarget> {
    private(set) var target: Target
    /// What is made large; a search may put another one in its place.
    var objective: any Objective
    /// `[shard][image]`.
    private(set) var labels: [[Int32]]
    /// Calls so far.
    private(set) var calls = 0

    init(_ target: Target, _ objective: any Objective, labels: [[Int32]]) {
        self.target = target
        self.objective = objective
        self.labels = labels
    }

    /// Asks about images `images[shard]` of every shard alone from now on, in that order.
    mutating func select(_ images: [[Int]]) {
        target = target.selecting(images)
        objective = objective.selecting(images)
        labels = labels.selecting(images)
    }

    /// Whether predictions are the labels, `[shard][image]`.
    func isRight(_ logits: [Tensor]) -> [[Bool]] {
        zip(logits, labels).map { logits, labels in zip(CrossEntropy.predictions(logits), labels).map { $0 == $1 } }
    }

    /// Lets a search ask about some of the images alone; its calls are counted on.
    mutating func selecting<Result>(
        _ images: [[Int]], search: (inout Inquiry<Target>) throws -> Result
    ) rethrows -> Result {
        var some = self
        some.select(images)
        defer { calls = some.calls }
        return try search(&some)
    }

    /// What the model gives for images of each shard.
    mutating func outputs(_ images: [Tensor]) throws -> [ModelOutputs] {
        defer { calls += 1 }
        return try target.outputs(images, readsRouters: objective.readsRouters, draw: calls)
    }

    /// How the model fares on images of each shard.
    mutating func outcomes(_ images: [Tensor]) throws -> [AttackOutcome] {
        try outputs(images).enumerated().map { shard, outputs in
            AttackOutcome(outputs, objective.evaluate(outputs, shard: shard), labels: labels[shard])
        }
    }

    /// The same, and the gradient of the objective with respect to the images.
    mutating func outcomesAndGradient(
        _ images: [Tensor]
    ) throws -> (outcomes: [AttackOutcome], gradient: [Tensor]) {
        defer { calls += 1 }
        let (outputs, values, gradient) = try target.outputsAndInputGradient(images, objective, draw: calls)
        let outcomes = outputs.indices.map { AttackOutcome(outputs[$0], values[$0], labels: labels[$0]) }
        return (outcomes, gradient)
    }
}

/// An attack broke its own promise.
public struct AttackError: Error, CustomStringConvertible {
    /// What was expected and found.
    public let description: String
}
