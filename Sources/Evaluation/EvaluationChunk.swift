import Foundation
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
        /// For each mixture layer, how its router's scores are spread; nil in chunks that knew nothing of it.
        package var scores: [ScoreHistogram]?
        /// Whether the attack left any clean image, if only on its way.
        package var hasMoved = false
        /// What the attack's way to each image told; empty of the clean images.
        package var findings: [[RedFlag.Kind]] = []
        /// Of a ladder, what each stage came to; else empty.
        package var stages: [Stage] = []
        /// The attacked images, row-major NHWC of 32-bit floating point in the byte order of the machine; nil unless they
        /// are asked for.
        package var images: Data?
        /// Images that are kept to be looked at, in the order of the chunk; nil where none were asked for.
        package var examples: [AttackExample]?
        package var seconds = 0.0
    }

    /// What one stage of a ladder came to.
    package struct Stage: Codable, Equatable {
        /// Whether each image is right when clean, after this stage and after all before it.
        package var isCorrect: [Bool]
        /// The images that were still right before it, and so were attacked.
        package var attacked: Int
        /// Of these, the images that it moved, if only on its way.
        package var moved: Int
        /// What its way to each image told, of those that it attacked.
        package var findings: [[RedFlag.Kind]] = []
        package var seconds: Double
    }

    /// The number of the chunk, from 0.
    package let chunk: Int
    package let indices: [Int]
    package let labels: [Int]
    package var outcomes: [Outcome]
    /// What attacks came to at radii other than their own, where that was asked for.
    package var trials: [Trial] = []
    /// What the outputs for the clean images told, in the chunk where they were looked at.
    package var outputs: [RedFlag.Kind] = []
    /// How much of itself each image's loss changes around it; empty where that was not asked for.
    package var instability: [Double] = []
    /// The rank that made it.
    package var rank = 0

    /// What an attack came to at another radius, image by image.
    package struct Trial: Codable, Equatable {
        /// The attack's name in files.
        package var inputs: String
        package var kind: RadiusTrial.Kind
        package var isCorrect: [Bool]
        /// Whether the network was wrong at any point of the way.
        package var wasFooled: [Bool]
    }
}

extension EvaluationChunk.Outcome {
    /// Whether each image is predicted as its label.
    func isCorrect(_ labels: [Int]) -> [Bool] { zip(predictions, labels).map { $0 == $1 } }
}
