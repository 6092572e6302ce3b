import Tensors
import Testing

@testable import Attacks

@Suite("Anti-adversary layer")
struct AntiAdversaryTests {
    /// Logits W x for images of three pixels, and what it was shown last.
    private struct LinearModel: AttackTarget {
        static let weights: [[Float]] = [[1, -2, 0.5], [0.5, 1, 1]]
        let workspace = Workspace()

        func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) -> [ModelOutputs] {
            images.map { images in
                let logits = Tensor(workspace, images: images.images, channels: 2)
                for image in 0..<images.images {
                    for label in 0..<2 {
                        logits.pointer[2 * image + label] = (0..<3).reduce(0) {
                            $0 + Self.weights[label][$1] * images.pointer[3 * image + $1]
                        }
                    }
                }
                return ModelOutputs(logits: logits)
            }
        }

        func outputsAndInputGradient(
            _ images: [Tensor], _ objective: any Objective, draw: Int
        ) -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
            let outputs = outputs(images, readsRouters: false, draw: draw)
            let values = outputs.enumerated().map { objective.evaluate($1, shard: $0) }
            let gradient = zip(images, values).map { images, value in
                let gradient = Tensor(like: images)
                for index in 0..<images.count {
                    gradient.pointer[index] = (0..<2).reduce(0) {
                        $0 + (value.dLogits?.pointer[2 * (index / 3) + $1] ?? 0) * Self.weights[$1][index % 3]
                    }
                }
                return gradient
            }
            return (outputs, values, gradient)
        }

        func selecting(_ images: [[Int]]) -> LinearModel { self }
    }

    private let workspace = Workspace()

    private var images: Tensor {
        let images = Tensor(workspace, images: 2, height: 1, width: 1, channels: 3)
        // The first is of class 0, the second of class 1.
        for (index, value) in ([0.9, 0.1, 0.2, 0.2, 0.8, 0.5] as [Float]).enumerated() { images.pointer[index] = value }
        return images
    }

    @Test("No step is the identity, and steps go towards the class given")
    func steps() throws {
        let model = LinearModel()
        let still = try AntiAdversary(steps: 0, stepSize: 0.15).shown([images], to: model)
        #expect(still[0].toArray() == images.toArray())
        // Towards class 0 is w₀ − w₁ = (0.5, −3, −0.5), towards class 1 its opposite.
        for steps in [1, 3] {
            let moved = try AntiAdversary(steps: steps, stepSize: 0.15).shown([images], to: model)[0].toArray()
            let signs: [Float] = [1, -1, -1, -1, 1, 1]
            for index in 0..<6 {
                #expect(abs(moved[index] - images.toArray()[index] - 0.15 * Float(steps) * signs[index]) <= 1e-6)
            }
        }
    }

    @Test("The target's outputs and gradients are those at the images shown, and classes stay")
    func target() throws {
        let model = LinearModel()
        let layer = AntiAdversary(steps: 2, stepSize: 0.15)
        let target = AntiAdversaryTarget(model, layer: layer)
        let shown = try layer.shown([images], to: model)
        let objective = CrossEntropyObjective(labels: [[1, 0]])
        let found = try target.outputsAndInputGradient([images], objective, draw: 0)
        let expected = model.outputsAndInputGradient(shown, objective, draw: 0)
        #expect(found.gradient[0].toArray() == expected.gradient[0].toArray())
        #expect(found.values[0].losses == expected.values[0].losses)
        let (plain, behind) = (
            model.outputs([images], readsRouters: false, draw: 0)[0].logits,
            try target.outputs([images], readsRouters: false, draw: 0)[0].logits
        )
        #expect(CrossEntropy.predictions(plain) == CrossEntropy.predictions(behind))
        // The loss of the class given falls.
        let losses = [plain, behind].map { CrossEntropy.evaluate($0, [0, 1], divisor: 1).losses }
        #expect(zip(losses[0], losses[1]).allSatisfy { $1 < $0 })
    }
}
