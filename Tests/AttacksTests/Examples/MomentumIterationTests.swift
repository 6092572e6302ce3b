import Tensors
import Testing

@testable import Attacks

@Suite("Example: an attack")
struct MomentumIterationTests {
    @Test("it fools a linear model from the least radius on, and not below", arguments: [Float(0), 1])
    func leastRadius(_ decay: Float) throws {
        let problem = LinearProblem(.twoOfFour, images: 8, workspace: Workspace())
        for image in 0..<8 {
            let least = problem.distance(image, .linf)
            for (factor, isFooled) in [(0.999, false), (1.01, true)] {
                let ball = PerturbationBall(epsilon: Float(factor * least))
                let attack = MomentumIteration(ball: ball, stepSize: ball.epsilon / 4, steps: 20, decay: decay)
                #expect(try problem.isFooled(image, by: attack) == isFooled, "image \(image), \(factor)")
            }
        }
    }

    /// A model whose gradient turns round with every call, and halves.
    private struct TurningTarget: AttackTarget {
        func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) -> [ModelOutputs] {
            images.map { images in
                let logits = Tensor(images.workspace, images: images.images, channels: 2)
                logits.fill(0)
                return ModelOutputs(logits: logits)
            }
        }

        func outputsAndInputGradient(
            _ images: [Tensor], _ objective: any Objective, draw: Int
        ) -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
            let gradient = images.map { images in
                let result = Tensor(like: images)
                for index in 0..<result.count {
                    // One pixel's slope stays as it is, so that magnitudes tell the steps apart.
                    result.pointer[index] = index == 0 ? 1 : draw.isMultiple(of: 2) ? 1 : -0.5
                }
                return result
            }
            return (outputs(images, readsRouters: false, draw: draw), [], gradient)
        }

        func selecting(_ images: [[Int]]) -> TurningTarget { self }
    }

    @Test("with momentum the first slope outweighs a weaker one against it; without, it does not")
    func momentum() throws {
        let x = Tensor(Workspace(), images: 1, height: 4, width: 4, channels: 1)
        x.fill(0.5)
        let batch = AttackBatch(images: [x], labels: [[0]], samples: [[0]], seed: 1)
        func moved(_ decay: Float) throws -> [Float] {
            let attack = MomentumIteration(ball: PerturbationBall(epsilon: 0.4), stepSize: 0.1, steps: 2, decay: decay)
            return try attack.perturb(batch, CrossEntropyObjective(labels: [[0]]), against: TurningTarget())[0]
                .elements.map { $0 - 0.5 }
        }
        let (with, without) = try (moved(2), moved(0))
        #expect(abs(with[0] - 0.2) < 1e-6 && abs(without[0] - 0.2) < 1e-6)
        #expect(with.dropFirst().allSatisfy { abs($0 - 0.2) < 1e-6 })
        #expect(without.dropFirst().allSatisfy { abs($0) < 1e-6 })
    }
}
