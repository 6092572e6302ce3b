import Tensors
import Testing

@testable import Attacks

@Suite("APGD")
struct AutoProjectedGradientDescentTests {
    private static let pixels = 4 * 3 * 3
    private let workspace = Workspace()
    private let labels: [Int32] = [0, 2, 1, 1, 0, 2]

    private func images(inside: Bool) -> Tensor {
        let x = Tensor(workspace, images: 6, height: 4, width: 3, channels: 3)
        var stream = RandomStream(seed: 2, purpose: .synthetic)
        for index in 0..<x.count {
            let u = stream.uniform()
            x.pointer[index] = inside ? 0.2 + 0.6 * u : index % 3 == 0 ? [0, 1, 0.01, 0.99][index % 4] : u
        }
        return x
    }

    private func run(
        _ attack: some Attack, _ x: Tensor, _ target: some JudgedTarget, seed: UInt64 = 1
    ) throws -> Tensor {
        let before = x.toArray()
        let batch = AttackBatch(images: [x], labels: [labels], samples: [Array(10..<16)], seed: seed)
        let found = try attack.perturb(batch, type(of: target).objective([labels]), against: target)
        #expect(x.toArray() == before, "the clean images were written to")
        return found[0]
    }

    @Test("checkpoints are those of the paper: 22% of the steps, then distances that shrink by 3% to 6%")
    func checkpoints() {
        #expect(
            AutoProjectedGradientDescent.checkpoints(steps: 100) == [
                22, 41, 57, 70, 80, 87, 93, 99,
            ])
        #expect(AutoProjectedGradientDescent.checkpoints(steps: 20) == [5, 9, 12, 14, 16, 18, 19, 20])
        #expect(AutoProjectedGradientDescent.checkpoints(steps: 1) == [1])
    }

    @Test(
        "reaches the optimum of a linear loss",
        arguments: [PerturbationBall(epsilon: 8 / 255), PerturbationBall(.l2, epsilon: 0.5)])
    func linearOptimum(_ ball: PerturbationBall) throws {
        let target = LinearTarget(classes: 3, pixels: Self.pixels, labels: [labels])
        let x = images(inside: true)
        let clean = target.losses([x])[0]
        let attack = AutoProjectedGradientDescent(ball: ball, steps: 20)
        let found = target.losses([try run(attack, x, target)])[0]
        for (image, label) in labels.enumerated() {
            let weight = target.weights[Int(label)].map(Double.init)
            let dual: Double
            switch ball.norm {
            case .linf: dual = weight.reduce(0) { $0 + abs($1) }
            case .l2: dual = weight.reduce(0) { $0 + $1 * $1 }.squareRoot()
            }
            let gain = Double(ball.epsilon) * dual
            // In l2 the first steps cross the ball, later ones turn towards the optimum: 1e-3 of the gain is left.
            let slack = ball.norm == .linf ? 1e-5 : 1e-3 * gain
            #expect(abs(found[image] - clean[image] - gain) <= slack, "image \(image)")
        }
    }

    @Test("is at least as strong as PGD of as many steps, on every image", arguments: [0.01, 8 / 255, 0.1] as [Float])
    func strength(_ epsilon: Float) throws {
        let target = SoftmaxTarget(linear: LinearTarget(classes: 3, pixels: Self.pixels))
        let x = images(inside: false)
        let ball = PerturbationBall(epsilon: epsilon)
        func outcome(_ attack: some Attack) throws -> AttackOutcome {
            try target.outcomes([try run(attack, x, target)], labels: [labels])[0]
        }
        let gradient = try outcome(
            ProjectedGradientDescent(ball: ball, stepSize: epsilon / 4, steps: 20))
        let automatic = try outcome(AutoProjectedGradientDescent(ball: ball, steps: 20))
        for image in 0..<6 {
            #expect(gradient.isCorrect[image] || !automatic.isCorrect[image])
            if gradient.isCorrect[image] == automatic.isCorrect[image] {
                // Cross entropy is convex here, and both end in the same corner up to rounding.
                #expect(automatic.losses[image] >= gradient.losses[image] - 1e-5, "image \(image)")
            }
        }
    }

    @Test("stays in the ball, returns its worst iterate, and steps of 2 epsilon shrink where they do not pay")
    func iterates() throws {
        /// A loss of distance from a point, whose sign gradient overshoots until steps are short.
        final class Bowl: AttackTarget {
            var visited: [[Float]] = []
            var losses: [Double] = []
            let workspace = Workspace()
            func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) -> [ModelOutputs] {
                let x = images[0]
                let loss = Float(-(0..<x.count).reduce(0.0) { $0 + abs(Double(x.pointer[$1]) - 0.5037) })
                visited.append(x.toArray())
                losses.append(Double(loss))
                // Right, wrong, and the loss, which is negative.
                let isCorrect = Double(loss) < -0.0004 || Double(loss) > -0.0001
                let logits = Tensor(workspace, images: 1, channels: 3)
                for (index, value) in [isCorrect ? 1 : 0, isCorrect ? 0 : 1, loss].enumerated() {
                    logits.pointer[index] = value
                }
                return [ModelOutputs(logits: logits)]
            }
            func outputsAndInputGradient(
                _ images: [Tensor], _ objective: any Objective, draw: Int
            ) -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
                let gradient = Tensor(like: images[0])
                for index in 0..<gradient.count { gradient.pointer[index] = 0.5037 - images[0].pointer[index] }
                let outputs = outputs(images, readsRouters: objective.readsRouters, draw: draw)
                return (outputs, [objective.evaluate(outputs[0], shard: 0)], [gradient])
            }
            func selecting(_ images: [[Int]]) -> Bowl { self }
        }
        let target = Bowl()
        let x = Tensor(workspace, images: 1, channels: 1)
        x.fill(0.49)
        let attack = AutoProjectedGradientDescent(ball: PerturbationBall(epsilon: 0.03), steps: 40, start: .none)
        let found = try attack.perturb(
            AttackBatch(images: [x], labels: [[0]], samples: [[0]], seed: 1), LastLogitObjective(), against: target)[0]
        #expect(target.visited.count == 41)
        #expect(target.visited.allSatisfy { abs($0[0] - 0.49) <= 0.03 + 0x1p-24 })
        // The first step of 0.06 is cut at the ball; the second goes back, 0.75 of the way to the other side and 0.25 on.
        #expect(target.visited[0] == [0.49])
        #expect(abs(target.visited[1][0] - 0.52) < 1e-6)
        let second: Float = 0.52 - 0.75 * 0.06 + 0.25 * 0.03
        #expect(abs(target.visited[2][0] - second) < 1e-6)
        #expect((target.losses.max() ?? -1) > -0.001, "steps never shrank")
        // One that fools comes before one of higher loss.
        let fooling = zip(target.visited, target.losses).filter { $1 >= -0.0004 && $1 <= -0.0001 }
        let best = zip(target.visited, target.losses).max { $0.1 < $1.1 }
        let expected = fooling.max { $0.1 < $1.1 } ?? best
        #expect(found.toArray() == expected?.0)
    }

    @Test("restarts are never weaker, and draws depend on seed and sample")
    func restarts() throws {
        let target = SoftmaxTarget(linear: LinearTarget(classes: 3, pixels: Self.pixels))
        let x = images(inside: false)
        let ball = PerturbationBall(epsilon: 8 / 255)
        func attack(_ restarts: Int) -> AutoProjectedGradientDescent {
            AutoProjectedGradientDescent(ball: ball, steps: 2, restarts: restarts)
        }
        let one = try target.outcomes([try run(attack(1), x, target)], labels: [labels])[0]
        let four = try target.outcomes([try run(attack(4), x, target)], labels: [labels])[0]
        for image in 0..<6 where one.isCorrect[image] == four.isCorrect[image] {
            #expect(four.losses[image] >= one.losses[image])
        }
        let found = try run(attack(1), x, target).toArray()
        #expect(try run(attack(1), x, target).toArray() == found)
    }
}
