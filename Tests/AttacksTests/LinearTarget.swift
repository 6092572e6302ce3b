import Tensors
import Testing

@testable import Attacks

/// A model of the tests, with the objective that suits it.
protocol JudgedTarget: AttackTarget {
    /// What attacks on it make large.
    static func objective(_ labels: [[Int32]]) -> any Objective
}

extension JudgedTarget {
    static func objective(_ labels: [[Int32]]) -> any Objective { CrossEntropyObjective(labels: labels) }

    /// Most models of the tests do the same to any images.
    func selecting(_ images: [[Int]]) -> Self { self }

    /// How the model fares on images.
    func outcomes(_ images: [Tensor], labels: [[Int32]]) throws -> [AttackOutcome] {
        var inquiry = Inquiry(self, Self.objective(labels), labels: labels)
        return try inquiry.outcomes(images)
    }
}

/// The last logit, for models that say themselves what an image's loss is.
struct LastLogitObjective: Objective {
    func evaluate(_ outputs: ModelOutputs, shard: Int) -> ObjectiveValue {
        let logits = outputs.logits
        let dLogits = Tensor(like: logits)
        dLogits.fill(0)
        let losses = (0..<logits.images).map { image -> Double in
            let last = (image + 1) * logits.channels - 1
            dLogits.pointer[last] = 1
            return Double(logits.pointer[last])
        }
        return ObjectiveValue(losses: losses, dLogits: dLogits)
    }

    func selecting(_ images: [[Int]]) -> any Objective { self }
}

/// A model whose loss is linear in the image, ⟨w, x⟩ for each label's w: PGD's optimum is known in closed form.
///
/// From x, within the ball and [0, 1], the best pixel goes as far as it may along the sign of w; far from the borders
/// the gain is epsilon · ‖w‖₁. The label's logit is -⟨w, x⟩ and all others are 0, so that the margin is that loss, and
/// the prediction is right while the loss is negative.
struct LinearTarget: JudgedTarget {
    /// The weight for each class, one element a pixel.
    var weights: [[Float]]
    /// The labels of the images, `[shard][image]`.
    private(set) var labels: [[Int32]]
    /// What images are called with, for tests that look at iterates.
    var observer: (_ images: [Tensor], _ losses: [[Double]]) -> Void = { _, _ in }
    /// Replaces the gradient.
    var damage: (Float) -> Float = { $0 }
    let workspace = Workspace()

    init(classes: Int, pixels: Int, labels: [[Int32]] = []) {
        weights = (0..<classes).map { label in
            var stream = RandomStream(seed: 31, purpose: .synthetic, index: label)
            return (0..<pixels).map { _ in stream.normal() }
        }
        self.labels = labels
    }

    static func objective(_ labels: [[Int32]]) -> any Objective { MarginObjective(labels: labels) }

    func losses(_ images: [Tensor]) -> [[Double]] {
        zip(images, labels).map { shard, labels in
            labels.enumerated().map { image, label in
                let row = shard.slice(image..<image + 1).elements
                return zip(row, weights[Int(label)]).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
        }
    }

    /// The losses as attacks see them: logits are Float.
    func visibleLosses(_ images: [Tensor]) -> [[Double]] { losses(images).map { $0.map { Double(Float($0)) } } }

    private func evaluate(_ images: [Tensor]) -> [ModelOutputs] {
        zip(visibleLosses(images), labels).map { losses, labels in
            let logits = Tensor(workspace, images: losses.count, channels: weights.count)
            logits.fill(0)
            for (image, label) in labels.enumerated() {
                logits.pointer[image * weights.count + Int(label)] = -Float(losses[image])
            }
            return ModelOutputs(logits: logits)
        }
    }

    func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) -> [ModelOutputs] {
        let outputs = evaluate(images)
        observer(images, visibleLosses(images))
        return outputs
    }

    func outputsAndInputGradient(
        _ images: [Tensor], _ objective: any Objective, draw: Int
    ) throws -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
        let outputs = evaluate(images)
        let values = outputs.enumerated().map { objective.evaluate($1, shard: $0) }
        let gradient = try images.indices.map { shard in
            let result = Tensor(like: images[shard])
            let dLogits = try #require(values[shard].dLogits)
            for (image, label) in labels[shard].enumerated() {
                let slope = -dLogits.pointer[image * weights.count + Int(label)]
                for (place, weight) in weights[Int(label)].enumerated() {
                    result.pointer[image * result.imageSize + place] = damage(slope * weight)
                }
            }
            return result
        }
        observer(images, visibleLosses(images))
        return (outputs, values, gradient)
    }

    func selecting(_ images: [[Int]]) -> LinearTarget {
        var some = self
        some.labels = labels.selecting(images)
        return some
    }
}

/// Softmax regression: cross entropy is convex in the image, and its gradient turns as the image moves.
struct SoftmaxTarget: JudgedTarget {
    var linear: LinearTarget

    func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) -> [ModelOutputs] {
        images.map { shard in
            let logits = Tensor(linear.workspace, images: shard.images, channels: linear.weights.count)
            for image in 0..<shard.images {
                let row = shard.slice(image..<image + 1).elements
                for (label, weight) in linear.weights.enumerated() {
                    let logit = zip(row, weight).reduce(0) { $0 + Double($1.0) * Double($1.1) }
                    logits.pointer[image * logits.channels + label] = Float(logit)
                }
            }
            return ModelOutputs(logits: logits)
        }
    }

    func outputsAndInputGradient(
        _ images: [Tensor], _ objective: any Objective, draw: Int
    ) throws -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
        let outputs = outputs(images, readsRouters: objective.readsRouters, draw: draw)
        let values = outputs.enumerated().map { objective.evaluate($1, shard: $0) }
        let gradient = try images.indices.map { shard in
            let result = Tensor(like: images[shard])
            let dLogits = try #require(values[shard].dLogits)
            for index in 0..<result.count {
                let (image, place) = index.quotientAndRemainder(dividingBy: result.imageSize)
                let row = dLogits.pointer + image * dLogits.channels
                let slope = linear.weights.indices.reduce(0.0) {
                    $0 + Double(row[$1]) * Double(linear.weights[$1][place])
                }
                result.pointer[index] = Float(slope)
            }
            return result
        }
        return (outputs, values, gradient)
    }
}
