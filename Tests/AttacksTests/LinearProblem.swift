import Tensors
import Testing

@testable import Attacks

/// Images in the middle of [0, 1] that softmax regression gets right, and how far each is from being wrong: for another
/// class j the margin over the dual norm of w_j − w_y, as borders play no part.
struct LinearProblem {
    /// What the model's classes are like.
    enum Model {
        /// Any of four may be the nearest.
        case fourClasses
        /// Two are far above two others, so that the margin is linear. No weight tells the two apart in the last row and
        /// column, where Square's squares do not go.
        case twoOfFour
    }

    static let classes = 4
    let target: SoftmaxTarget
    let batch: AttackBatch

    init(_ model: Model = .fourClasses, images: Int, side: Int = 4, channels: Int = 2, workspace: Workspace) {
        var linear = LinearTarget(classes: Self.classes, pixels: side * side * channels)
        switch model {
        case .fourClasses:
            // Brightness says nothing, so that labels differ; the likeliest other class is not always the nearest.
            for label in linear.weights.indices {
                let mean = linear.weights[label].reduce(0, +) / Float(linear.weights[label].count)
                for place in linear.weights[label].indices {
                    linear.weights[label][place] = (linear.weights[label][place] - mean) * [1, 0.2, 4, 2][label]
                }
            }
        case .twoOfFour:
            for place in linear.weights[0].indices {
                let (row, column) = (place / channels / side, place / channels % side)
                let weight = row < side - 1 && column < side - 1 ? linear.weights[0][place] / 2 : 0
                (linear.weights[0][place], linear.weights[1][place]) = (2 + weight, 2 - weight)
                for other in 2..<Self.classes { linear.weights[other][place] *= 0.01 }
            }
        }
        target = SoftmaxTarget(linear: linear)
        let x = Tensor(workspace, images: images, height: side, width: side, channels: channels)
        var stream = RandomStream(seed: 12, purpose: .synthetic)
        for index in 0..<x.count { x.pointer[index] = 0.4 + 0.2 * stream.uniform() }
        let labels = CrossEntropy.predictions(target.outputs([x], readsRouters: false, draw: 0)[0].logits)
        batch = AttackBatch(images: [x], labels: [labels], samples: [Array(20..<20 + images)], seed: 5)
    }

    /// The least distance of an image at which the model can be wrong, or, with `toward`, prefers the class that is that
    /// number, from 1, among the other classes by clean logits.
    func distance(_ image: Int, _ norm: PerturbationBall.Norm, toward number: Int? = nil) -> Double {
        let x = batch.images[0].slice(image..<image + 1).elements
        let label = Int(batch.labels[0][image])
        let logits = target.linear.weights.map { zip(x, $0).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
        let others = logits.indices.filter { $0 != label }.sorted { logits[$0] > logits[$1] }
        let distances = others.map { other -> Double in
            let slopes = zip(target.linear.weights[other], target.linear.weights[label]).map { Double($0) - Double($1) }
            let dual =
                norm == .linf
                ? slopes.reduce(0) { $0 + abs($1) } : slopes.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return (logits[label] - logits[other]) / dual
        }
        return number.map { distances[$0 - 1] } ?? distances.min() ?? .infinity
    }

    /// One image of the problem.
    func batch(of image: Int) -> AttackBatch { batch.selecting([[image]]) }

    /// Whether an attack makes the model wrong on an image; what it returns lies in its ball, or is the clean image.
    func isFooled(_ image: Int, by attack: some Attack) throws -> Bool {
        let batch = batch(of: image)
        let found = try attack.perturb(batch, CrossEntropyObjective(labels: batch.labels), against: target)
        let logits = target.outputs(found, readsRouters: false, draw: 0)[0].logits
        return CrossEntropy.predictions(logits) != batch.labels[0]
    }
}
