import Tensors

@testable import Training

/// Adversarial logit pairing (Kannan et al., arXiv:1803.06373): the cross entropies of clean and of attacked images, plus
/// `weight` times the squared distance of their logits, all means over the global batch.
package struct LogitPairing: TrainingMethod {
    /// Settings of the method.
    package struct Settings: Sendable, Equatable {
        /// The weight of the squared distance, at least 0.
        package var weight = 0.5

        /// Makes settings with every default.
        package init() {}
    }

    package let inputs: [String]
    private let weight: Double

    /// Makes the method.
    /// - Parameter attacked: What attacked images are called in tables.
    package init(_ settings: Settings, attacked: String) {
        inputs = ["clean", attacked]
        weight = settings.weight
    }

    package func step(
        _ batch: TrainingBatch, routerBatch: TrainingBatch, _ context: StepContext
    ) throws -> [UpdateOutcome] {
        [
            try context.update(batch) { part in
                let images = try context.attack(part)
                let clean = try context.crossEntropyPass(part.images, of: part)
                let attacked = try context.pass(images, of: part, draw: 1) { shard, logits in
                    let task = CrossEntropy.evaluate(logits, part.labels[shard], divisor: part.globalSize)
                    var sum = task.losses.reduce(0, +)
                    for index in 0..<logits.count {
                        let distance = logits.pointer[index] - clean.logits[shard].pointer[index]
                        let slope = Float(2 * weight / Double(part.globalSize)) * distance
                        sum += weight * Double(distance) * Double(distance)
                        task.dLogits.pointer[index] += slope
                        clean.dLogits[shard].pointer[index] -= slope
                    }
                    return (sum, task.dLogits)
                }
                return [clean, attacked]
            }.outcome
        ]
    }
}
