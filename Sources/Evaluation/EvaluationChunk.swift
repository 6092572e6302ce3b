import Networks

/// What one chunk gave: the clean outcome first, then one for each attack.
package struct EvaluationChunk: Codable {
    /// What the network makes of the chunk's images, clean or attacked; lists have one entry an image.
    package struct Outcome: Codable {
        package var predictions: [Int] = []
        package var losses: [Double] = []
        /// How far images are from the clean ones, in the attack's norm; empty of the clean images.
        package var distances: [Double] = []
        package var layers: [ExpertUsage] = []
        /// For each mixture layer, what its experts gave, where the loss of its variance is weighed; else of no image.
        package var outputs: [ExpertOutputs] = []
        /// For each mixture layer, the experts that were chosen, `[images][choices]`.
        package var chosen: [[Int]] = []
        /// Of a ladder, what each stage came to; else empty.
        package var stages: [Stage] = []
        package var seconds = 0.0
    }

    /// What one stage of a ladder came to.
    package struct Stage: Codable, Equatable {
        /// Whether each image is right when clean, after this stage and after all before it.
        package var isCorrect: [Bool]
        /// The images that were still right before it, and so were attacked.
        package var attacked: Int
        /// Of these, the images that it moved.
        package var moved: Int
        package var seconds: Double
    }

    /// The number of the chunk, from 0.
    package let chunk: Int
    package let indices: [Int]
    package let labels: [Int]
    package var outcomes: [Outcome]
    /// The rank that made it.
    package var rank = 0
}

extension EvaluationChunk.Outcome {
    /// Whether each image is predicted as its label.
    func isCorrect(_ labels: [Int]) -> [Bool] { zip(predictions, labels).map { $0 == $1 } }
}
