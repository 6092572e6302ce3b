/// Minimizes the mean cross entropy of images that the run's attack has changed, or of the clean ones without an attack.
///
/// With PGD it is adversarial training (Madry et al., arXiv:1706.06083), with a single step from a random start its fast form
/// (Wong et al., arXiv:2001.03994), without an attack standard training.
///
/// With a weight for clean images it is the loss of DAT (Zhang et al., arXiv:2206.06257), CE(f(x′), y) + weight · CE(f(x), y):
/// attacked and clean images are training passes of their own, in that order, each with its own moments, balancing losses and
/// update of running statistics.
package struct Adversarial: TrainingMethod {
    package let inputs: [String]
    private let cleanWeight: Double

    /// Makes the method.
    ///
    /// - Parameters:
    ///   - attacked: What the images are called in tables.
    ///   - cleanWeight: The factor of the clean images' loss, at least 0; with 0 they are not passed.
    package init(attacked: String, cleanWeight: Double = 0) {
        inputs = cleanWeight > 0 ? [attacked, "clean"] : [attacked]
        self.cleanWeight = cleanWeight
    }

    package func step(
        _ batch: TrainingBatch, routerBatch: TrainingBatch, _ context: StepContext
    ) throws -> [UpdateOutcome] {
        [
            try context.update(batch) { part in
                let attacked = try context.crossEntropyPass(try context.attack(part), of: part)
                if cleanWeight == 0 { return [attacked] }
                return [attacked, try context.crossEntropyPass(part.images, of: part, draw: 1, weight: cleanWeight)]
            }.outcome
        ]
    }
}
