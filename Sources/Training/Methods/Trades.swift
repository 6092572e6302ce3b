import Networks
import Tensors

/// TRADES (Zhang et al., arXiv:1901.08573): CE(f(x), y) + beta · KL(f(x) ‖ f(x′)), both means over the global batch, gradients
/// through both arguments of the divergence.
///
/// x′ ascends what the attack's objective says, the divergence from what the frozen network says of x by itself. Clean and
/// attacked images are training passes of their own, in that order, each with its own moments; the clean one serves both
/// terms.
package struct Trades: TrainingMethod {
    /// Settings of the method.
    package struct Settings: Sendable, Equatable {
        /// The weight of the divergence, at least 0.
        package var beta = 6.0
        /// How often a step moves running statistics.
        package var statisticsUpdates = AdvMoE.StatisticsUpdates.once

        /// Makes settings with every default.
        package init() {}
    }

    package let inputs: [String]
    private let settings: Settings

    /// Makes the method.
    /// - Parameter attacked: What attacked images are called in tables.
    package init(_ settings: Settings, attacked: String) {
        inputs = ["clean", attacked]
        self.settings = settings
    }

    package func step(
        _ batch: TrainingBatch, routerBatch: TrainingBatch, _ context: StepContext
    ) throws -> [UpdateOutcome] {
        [
            try context.update(batch) { part in
                let images = try context.attack(part)
                let clean = try context.crossEntropyPass(part.images, of: part)
                // AdvMoE's released code computes the clean pass once more, for the log.
                if settings.statisticsUpdates == .published {
                    for group in ParameterGroup.allCases { context.repeatStatistics(of: clean, group) }
                }
                return try Self.passes(clean, images, of: part, beta: settings.beta, draw: 1, context)
            }.outcome
        ]
    }

    /// The passes of both terms, from the clean one.
    /// - Parameter images: x′.
    static func passes(
        _ clean: TrainingPass, _ images: [Tensor], of batch: TrainingBatch, beta: Double, draw: Int,
        _ context: StepContext
    ) throws -> [TrainingPass] {
        let attacked = try context.pass(images, of: batch, draw: draw) { shard, logits in
            let robust = Divergence.evaluate(clean.logits[shard], logits, weight: beta / Double(batch.globalSize))
            ChannelOperations.add(robust.dTarget, to: clean.dLogits[shard])
            // The divergence counts as the attacked images' part of the loss.
            return (beta * robust.values.reduce(0, +), robust.dLogits)
        }
        return [clean, attacked]
    }
}
