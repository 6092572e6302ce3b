import Foundation
import Tensors

/// MART (Wang et al., ICLR 2020, "Improving Adversarial Robustness Requires Revisiting Misclassified Examples"):
/// BCE(f(x′), y) + beta · KL(f(x) ‖ f(x′)) · (1 − p(x)_y), the mean over the global batch, where the boosted cross entropy BCE is
/// −log p(x′)_y − log(1 − the largest probability of a wrong class).
///
/// x′ ascends what the attack's objective says, cross entropy by itself. As in the authors' code, the two differences from 1 are
/// taken from 1.0001 and 1.0000001, so that no logarithm and no factor is 0, and gradients pass through all three
/// probabilities, those of the clean images too. Clean and attacked images are training passes of their own, in that order.
/// All of the loss counts as the attacked images'.
package struct Mart: TrainingMethod {
    /// Settings of the method.
    package struct Settings: Sendable, Equatable {
        /// The weight of the divergence, at least 0.
        package var beta = 5.0

        /// Makes settings with every default.
        package init() {}
    }

    package let inputs: [String]
    private let beta: Double

    /// Makes the method.
    /// - Parameter attacked: What attacked images are called in tables.
    package init(_ settings: Settings, attacked: String) {
        inputs = ["clean", attacked]
        beta = settings.beta
    }

    package func step(
        _ batch: TrainingBatch, routerBatch: TrainingBatch, _ context: StepContext
    ) throws -> [UpdateOutcome] {
        [
            try context.update(batch) { part in
                let images = try context.attack(part)
                let clean = try context.pass(part.images, of: part) { _, logits in
                    let none = Tensor(like: logits)
                    none.fill(0)
                    return (0, none)
                }
                let attacked = try context.pass(images, of: part, draw: 1) { shard, logits in
                    let loss = Self.loss(
                        clean.logits[shard], logits, part.labels[shard], beta: beta, divisor: part.globalSize)
                    ChannelOperations.add(loss.dClean, to: clean.dLogits[shard])
                    return (loss.sum, loss.dAttacked)
                }
                return [clean, attacked]
            }.outcome
        ]
    }

    private static let marginOfOne = 1.0001
    private static let weightOfOne = 1.0000001

    /// Returns the sum of the losses of a shard's images, and the gradients of that sum over `divisor` with respect to the logits
    /// of clean and attacked images, `[images, 1, 1, classes]`.
    static func loss(
        _ clean: Tensor, _ attacked: Tensor, _ labels: [Int32], beta: Double, divisor: Int
    ) -> (sum: Double, dClean: Tensor, dAttacked: Tensor) {
        // Gradients of cross entropies are probabilities, less 1 at the label.
        let task = CrossEntropy.evaluate(attacked, labels, divisor: 1)
        let natural = CrossEntropy.evaluate(clean, labels, divisor: 1)
        let robust = Divergence.evaluate(clean, attacked, weight: 1)
        let (dClean, dAttacked) = (robust.dTarget, robust.dLogits)
        let classes = attacked.channels
        let scale = 1 / Double(divisor)
        var sum = 0.0
        for (image, label) in labels.enumerated() {
            let first = image * classes
            func probability(_ index: Int) -> Double {
                Double(task.dLogits.pointer[first + index]) + (index == Int(label) ? 1 : 0)
            }
            let wrong = (0..<classes).filter { $0 != Int(label) }
            let best = wrong.reduce(wrong.first ?? 0) { probability($1) > probability($0) ? $1 : $0 }
            let margin = marginOfOne - probability(best)
            let right = exp(-natural.losses[image])
            let weight = beta * (weightOfOne - right)
            sum += task.losses[image] - log(margin) + weight * robust.values[image]
            let boost = probability(best) / margin
            for index in 0..<classes {
                let place = first + index
                let boosted = boost * ((index == best ? 1 : 0) - probability(index))
                dAttacked.pointer[place] = Float(
                    scale
                        * (Double(task.dLogits.pointer[place]) + boosted + weight * Double(dAttacked.pointer[place])))
                // ∂(1 − p_y)/∂z is p_y times the gradient of the cross entropy.
                let ofWeight = beta * robust.values[image] * right * Double(natural.dLogits.pointer[place])
                dClean.pointer[place] = Float(scale * (weight * Double(dClean.pointer[place]) + ofWeight))
            }
        }
        return (sum, dClean, dAttacked)
    }
}
