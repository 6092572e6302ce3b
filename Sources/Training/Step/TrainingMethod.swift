import Files
import Networks

/// A training method: what a step does with a batch.
///
/// It makes adversarial images and passes, and says by which losses these are carried back. Everything else is its
/// ``StepContext``'s: that alone settles statistics, exchanges gradients, clips them, moves and averages weights, looks for
/// values that are not finite, and runs a batch in parts.
package protocol TrainingMethod {
    /// What the images of each pass of a step are called in tables: `clean`, or the id of what changed them.
    var inputs: [String] { get }

    /// Whether routers are updated by batches of their own.
    var drawsRouterBatch: Bool { get }

    /// What is kept from step to step, as checkpoints hold it.
    var state: [NamedTensor] { get }

    /// Takes up what a checkpoint kept.
    /// - Throws: ``Files/RunError/checkpoint(_:)`` where it is not there.
    mutating func restore(_ tensors: [String: NamedTensor], from path: String) throws

    /// Takes one step.
    ///
    /// - Parameters:
    ///   - batch: This rank's part of the batch.
    ///   - routerBatch: What routers are updated by, where they draw their own; else the same.
    /// - Returns: What each update of the step did: one, but for methods that replay a batch. Tables count the batch's images
    ///   once, and take means over all updates.
    mutating func step(
        _ batch: TrainingBatch, routerBatch: TrainingBatch, _ context: StepContext
    ) throws -> [UpdateOutcome]
}

extension TrainingMethod {
    package var drawsRouterBatch: Bool { false }
    package var state: [NamedTensor] { [] }
    package mutating func restore(_ tensors: [String: NamedTensor], from path: String) throws {}
}

/// What a pass of an update gave, over the global batch and the same on every rank.
package struct PassOutcome {
    /// Σ over images of what the pass adds to the loss.
    package var lossSum: Double
    /// Images that are predicted right.
    package var correct: Int
    /// Σ over routers of their weighted balancing losses.
    package var balanceLoss: Double
    /// The use of experts.
    package var layers: [ExpertUsage]
}

/// What an update did, over the global batch and the same on every rank.
package struct UpdateOutcome {
    /// In the order of ``TrainingMethod/inputs``.
    package var passes: [PassOutcome]
    /// The norm of the gradient before it was clipped.
    package var gradientNorm: Double
    /// The learning rate.
    package var rate: Double
}

/// What a step did.
package struct StepOutcome {
    /// Its updates in order; none where a value was not finite.
    package var updates: [UpdateOutcome]
    /// What was not finite, and where, in words, whole on rank 0; nil where all was.
    ///
    /// Then the step was undone, or the run is to go back, as ``NonFinitePolicy`` has it.
    package var finding: String?
    /// Whether any rank was asked to stop.
    package var isAskedToStop: Bool
    /// This rank's seconds: making adversarial images, waiting for the exchange after the last gradient, its whole span.
    package var attackSeconds: Double
    package var waitSeconds: Double
    package var communicationSeconds: Double
    /// This rank's seconds in backward passes.
    package var backwardSeconds = 0.0
    /// What this rank sent of gradients.
    package var wire = WireTotals()
}
