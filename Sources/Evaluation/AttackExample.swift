import Files
import Foundation
import Tensors

/// An image that an attack was made on, kept to be looked at.
package struct AttackExample: Codable, Equatable {
    /// The image's place in its chunk.
    let image: Int
    /// The clean image and the attacked one: row-major HWC of 32-bit floating point in the byte order of the machine.
    package let clean: Data
    package let attacked: Data
}

extension AttackExample {
    /// Images of each case that are kept, for each attack; of large images half as many.
    private static let perCase = 2
    private static let largeImage = 3 * 64 * 64

    /// Of the images of a chunk that are right when clean, the first ones of each case, in their order.
    static func chosen(
        _ outcome: EvaluationChunk.Outcome, clean: EvaluationChunk.Outcome, labels: [Int], _ images: Tensor,
        _ attacked: Tensor
    ) -> [AttackExample] {
        let count = images.count / max(1, labels.count) > largeImage ? perCase / 2 : perCase
        var kept: [ExampleRow.Case: Int] = [:]
        return labels.indices.compactMap { image in
            guard clean.predictions[image] == labels[image] else { return nil }
            let what = outcome.whatHappened(to: image, clean: clean, label: labels[image], of: labels.count)
            guard kept[what, default: 0] < count else { return nil }
            kept[what, default: 0] += 1
            return AttackExample(
                image: image, clean: Data(buffer: images.slice(image..<image + 1).elements),
                attacked: Data(buffer: attacked.slice(image..<image + 1).elements))
        }
    }
}

extension EvaluationChunk.Outcome {
    /// Whether experts and prediction of an image gave way.
    fileprivate func whatHappened(
        to image: Int, clean: EvaluationChunk.Outcome, label: Int, of images: Int
    ) -> ExampleRow.Case {
        let changes = choices(image, of: images).map { Set($0) } != clean.choices(image, of: images).map { Set($0) }
        let isRight = predictions[image] == label
        return changes ? (isRight ? .routerOnly : .both) : (isRight ? .neither : .predictionOnly)
    }

    /// The experts that one of so many images chose, layer by layer.
    fileprivate func choices(_ image: Int, of images: Int) -> [[Int]] {
        chosen.map { experts in
            let count = experts.count / images
            return Array(experts[image * count..<(image + 1) * count])
        }
    }
}

extension EvaluationResult {
    /// The examples that chunks kept, with their rows, attack by attack.
    static func examples(
        _ chunks: [EvaluationChunk], _ names: [String]
    ) -> [(example: AttackExample, row: (String, [String]) -> ExampleRow)] {
        names.indices.dropFirst().flatMap { number in
            chunks.flatMap { chunk in
                (chunk.outcomes[number].examples ?? []).map { example in
                    (example, { split, classes in row(of: example, chunk, number, names[number], split, classes) })
                }
            }
        }
    }

    private static func row(
        of example: AttackExample, _ chunk: EvaluationChunk, _ number: Int, _ inputs: String, _ split: String,
        _ classes: [String]
    ) -> ExampleRow {
        func named(_ label: Int) -> (number: Int, name: String) {
            (label, classes.indices.contains(label) ? classes[label] : "")
        }
        let (outcome, clean, image) = (chunk.outcomes[number], chunk.outcomes[0], example.image)
        let (label, images) = (chunk.labels[image], chunk.labels.count)
        return ExampleRow(
            split: split, inputs: inputs,
            whatHappened: outcome.whatHappened(to: image, clean: clean, label: label, of: images),
            index: chunk.indices[image], label: named(label), prediction: named(outcome.predictions[image]),
            loss: outcome.losses[image], distance: outcome.distances[image],
            cleanExperts: clean.choices(image, of: images), experts: outcome.choices(image, of: images))
    }
}
