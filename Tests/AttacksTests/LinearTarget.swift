import Tensors
import Testing

@testable import Attacks

/// A model whose loss is linear in the image, ⟨w, x⟩ for each label's w: PGD's optimum is known in closed form.
///
/// From x, within the ball and [0, 1], the best pixel goes as far as it may along the sign of w; far from the borders
/// the gain is epsilon · ‖w‖₁.
struct LinearTarget: AttackTarget {
    /// The weight for each class, one element a pixel.
    var weights: [[Float]]
    /// What images are called with, for tests that look at iterates.
    var observer: (_ images: [Tensor], _ losses: [[Double]]) -> Void = { _, _ in }
    /// Replaces the gradient.
    var damage: (Float) -> Float = { $0 }

    init(classes: Int, pixels: Int) {
        weights = (0..<classes).map { label in
            var stream = RandomStream(seed: 31, purpose: .synthetic, index: label)
            return (0..<pixels).map { _ in stream.normal() }
        }
    }

    func losses(_ images: [Tensor], _ objective: Objective) -> [[Double]] {
        guard case .crossEntropy(let labels) = objective else { return [] }
        return zip(images, labels).map { shard, labels in
            labels.enumerated().map { image, label in
                let row = shard.slice(image..<image + 1).elements
                return zip(row, weights[Int(label)]).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
        }
    }

    func outcomeAndInputGradient(
        _ images: [Tensor], _ objective: Objective
    ) throws -> (outcomes: [AttackOutcome], gradient: [Tensor]) {
        guard case .crossEntropy(let labels) = objective else { return ([], []) }
        let gradient = zip(images, labels).map { shard, labels in
            let result = Tensor(like: shard)
            for (image, label) in labels.enumerated() {
                for (place, weight) in weights[Int(label)].enumerated() {
                    result.pointer[image * shard.imageSize + place] = damage(weight)
                }
            }
            return result
        }
        return (try outcome(images, objective), gradient)
    }

    func outcome(_ images: [Tensor], _ objective: Objective) throws -> [AttackOutcome] {
        let losses = losses(images, objective)
        observer(images, losses)
        // The prediction is right while the loss is negative.
        return losses.map { AttackOutcome(losses: $0, isCorrect: $0.map { $0 < 0 }) }
    }
}

/// Softmax regression: cross entropy is convex in the image, and its gradient turns as the image moves.
struct SoftmaxTarget: AttackTarget {
    var linear: LinearTarget

    private func evaluate(_ image: Tensor, _ label: Int) -> (loss: Double, gradient: [Double], isCorrect: Bool) {
        let logits = linear.weights.map { weight in
            zip(image.elements, weight).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        let largest = logits.max() ?? 0
        let powers = logits.map { exponential($0 - largest) }
        let sum = powers.reduce(0, +)
        let gradient = (0..<image.count).map { place in
            zip(powers, linear.weights).reduce(-Double(linear.weights[label][place])) {
                $0 + $1.0 / sum * Double($1.1[place])
            }
        }
        let loss = logarithm(sum) - (logits[label] - largest)
        return (loss, gradient, logits[label] == largest)
    }

    private func forEach(
        _ images: [Tensor], _ objective: Objective, _ body: (_ shard: Int, _ image: Int, _ label: Int) -> Void
    ) {
        guard case .crossEntropy(let labels) = objective else { return }
        for shard in images.indices {
            for image in 0..<images[shard].images { body(shard, image, Int(labels[shard][image])) }
        }
    }

    func outcomeAndInputGradient(
        _ images: [Tensor], _ objective: Objective
    ) throws -> (outcomes: [AttackOutcome], gradient: [Tensor]) {
        let gradient = images.map { Tensor(like: $0) }
        forEach(images, objective) { shard, image, label in
            let found = evaluate(images[shard].slice(image..<image + 1), label)
            for (place, value) in found.gradient.enumerated() {
                gradient[shard].pointer[image * images[shard].imageSize + place] = Float(value)
            }
        }
        return (try outcome(images, objective), gradient)
    }

    func outcome(_ images: [Tensor], _ objective: Objective) throws -> [AttackOutcome] {
        var outcomes = images.map {
            AttackOutcome(
                losses: .init(repeating: 0, count: $0.images), isCorrect: .init(repeating: false, count: $0.images))
        }
        forEach(images, objective) { shard, image, label in
            let found = evaluate(images[shard].slice(image..<image + 1), label)
            outcomes[shard].losses[image] = found.loss
            outcomes[shard].isCorrect[image] = found.isCorrect
        }
        return outcomes
    }
}
