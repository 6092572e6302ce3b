/// Minimizes the mean cross entropy of images that the run's attack has changed, or of the clean ones without an attack.
///
/// With PGD it is adversarial training (Madry et al., arXiv:1706.06083), with a single step from a random start its fast form
/// (Wong et al., arXiv:2001.03994), without an attack standard training.
package struct Adversarial: TrainingMethod {
    package let inputs: [String]

    /// Makes the method.
    /// - Parameter inputs: What the images are called in tables.
    package init(inputs: String) {
        self.inputs = [inputs]
    }

    package func step(
        _ batch: TrainingBatch, routerBatch: TrainingBatch, _ context: StepContext
    ) throws -> [UpdateOutcome] {
        [
            try context.update(batch) { part in
                [try context.crossEntropyPass(try context.attack(part), of: part)]
            }.outcome
        ]
    }
}
