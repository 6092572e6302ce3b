import Files

/// Free adversarial training (Shafahi et al., arXiv:1904.12843): several updates on each batch, whose input gradients grow a
/// noise at no cost of their own.
package struct Free: TrainingMethod {
    /// Settings of the method.
    package struct Settings: Sendable, Equatable {
        /// The update steps that are taken on each batch, at least 1.
        package var replays = 4
        /// The factor of balancing losses, at least 0; 2 counts them twice, as a reference does.
        package var replayBalanceFactor = 1.0

        /// Makes settings with every default.
        package init() {}
    }

    package let inputs: [String]
    private let replays: Int
    private var noise: FreeNoise

    /// Makes the method, its noise being zero.
    /// - Parameter inputs: What the images are called in tables.
    package init(_ settings: Settings, noise: FreeNoise, inputs: String) {
        self.inputs = [inputs]
        replays = settings.replays
        self.noise = noise
    }

    package mutating func step(
        _ batch: TrainingBatch, routerBatch: TrainingBatch, _ context: StepContext
    ) throws -> [UpdateOutcome] {
        let outcomes = try (0..<replays).map { replay in
            let (outcome, gradient) = try context.update(batch, wantsInput: true) { batch in
                [try context.crossEntropyPass(noise.applied(to: batch), of: batch, draw: replay)]
            }
            noise.ascend(gradient, batch)
            return outcome
        }
        try noise.share(batch)
        return outcomes
    }

    package var state: [NamedTensor] { [noise.tensor] }

    package mutating func restore(_ tensors: [String: NamedTensor], from path: String) throws {
        try noise.restore(tensors, from: path)
    }
}
