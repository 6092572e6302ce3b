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

    @Test(
        "reaches the optimum of a linear loss",
        arguments: [PerturbationBall(epsilon: 8 / 255), PerturbationBall(.l2, epsilon: 0.5)])
    func linearOptimum(_ ball: PerturbationBall) throws {
        let target = LinearTarget(classes: 3, pixels: Self.pixels, labels: [labels])
        let x = images(inside: true)
        let clean = target.losses([x])[0]
        let attack = AutoProjectedGradientDescent(ball: ball, steps: 20, keep: .highestLoss)
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
                // Those that are wrong when clean stay as they are. Cross entropy is convex here, and both end in the same
                // corner up to rounding.
                guard automatic.isCorrect[image] else { continue }
                #expect(automatic.losses[image] >= gradient.losses[image] - 1e-5, "image \(image)")
            }
        }
    }

    @Test("stays in the ball, returns the last iterate that fools, and steps of 2 epsilon shrink where they do not pay")
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
        // The clean image, the start and 40 steps.
        #expect(target.visited.count == 42)
        #expect(target.visited.allSatisfy { abs($0[0] - 0.49) <= 0.03 + 0x1p-24 })
        // The first step of 0.06 is cut at the ball; the second goes back, 0.75 of the way to the other side and 0.25 on.
        #expect(target.visited[1] == [0.49])
        #expect(abs(target.visited[2][0] - 0.52) < 1e-6)
        let second: Float = 0.52 - 0.75 * 0.06 + 0.25 * 0.03
        #expect(abs(target.visited[3][0] - second) < 1e-6)
        #expect((target.losses.max() ?? -1) > -0.001, "steps never shrank")
        let fooling = zip(target.visited, target.losses).filter { $1 >= -0.0004 && $1 <= -0.0001 }
        let best = zip(target.visited, target.losses).max { $0.1 < $1.1 }
        #expect(found.toArray() == (fooling.last ?? best)?.0)
    }

    @Test("restarts are for images that are still right, and draws depend on seed and sample")
    func restarts() throws {
        let target = SoftmaxTarget(linear: LinearTarget(classes: 3, pixels: Self.pixels))
        let x = images(inside: false)
        let ball = PerturbationBall(epsilon: 8 / 255)
        func attack(_ restarts: Int, _ keep: AutoProjectedGradientDescent.Keep) -> AutoProjectedGradientDescent {
            AutoProjectedGradientDescent(ball: ball, steps: 2, restarts: restarts, keep: keep)
        }
        func outcome(_ attack: some Attack) throws -> AttackOutcome {
            try target.outcomes([try run(attack, x, target)], labels: [labels])[0]
        }
        let (one, four) = try (outcome(attack(1, .adversarial)), outcome(attack(4, .adversarial)))
        let clean = try target.outcomes([x], labels: [labels])[0]
        #expect(zip(one.isCorrect, four.isCorrect).allSatisfy { $0 || !$1 })
        for image in 0..<6 where !clean.isCorrect[image] { #expect(four.losses[image] == clean.losses[image]) }
        let (first, best) = try (outcome(attack(1, .highestLoss)), outcome(attack(4, .highestLoss)))
        #expect(zip(first.losses, best.losses).allSatisfy(<=) && first.losses != best.losses)
        #expect(zip(clean.losses, first.losses).allSatisfy(<), "an image was left out")
        let found = try run(attack(1, .adversarial), x, target).toArray()
        #expect(try run(attack(1, .adversarial), x, target).toArray() == found)
        #expect(try run(attack(1, .adversarial), x, target, seed: 2).toArray() != found)
    }

    @Test("starts touch the border of the ball", arguments: PerturbationBall.Norm.allCases)
    func starts(_ norm: PerturbationBall.Norm) {
        let x = images(inside: true)
        let ball = PerturbationBall(norm, epsilon: 0.15)
        let batch = AttackBatch(images: [x], labels: [labels], samples: [Array(0..<6)], seed: 3)
        let start = StartingPoint.uniform.draw(ball, batch, clamps: true, onBorder: true)[0]
        for image in 0..<6 {
            let distance = ball.distance(start, around: x, image: image)
            #expect(abs(distance - Double(ball.epsilon)) < 1e-6, "image \(image)")
        }
        // Every coordinate has its own draw, on both sides.
        let moves = (0..<x.count).map { start.pointer[$0] - x.pointer[$0] }
        #expect(Set(moves).count > x.count * 9 / 10)
        #expect(abs(moves.reduce(0, +)) < 0.25 * moves.reduce(0) { $0 + abs($1) })
    }

    @Test(
        "A start in noise that is longer than the radius is brought into the ball",
        arguments: [PerturbationBall.Norm.linf, .l2])
    func noisyStart(_ norm: PerturbationBall.Norm) throws {
        let workspace = Workspace()
        let x = Tensor(workspace, images: 2, height: 4, width: 3, channels: 3)
        for index in 0..<x.count { x.pointer[index] = Float(index % 7) / 6 }
        let batch = AttackBatch(images: [x], labels: [[0, 1]], samples: [[0, 1]], seed: 1)
        let ball = PerturbationBall(norm, epsilon: 1e-5)
        let start = StartingPoint.gaussian.draw(ball, batch, clamps: true)[0]
        try ball.verify(start, around: x)
        #expect((0..<2).allSatisfy { ball.distance(start, around: x, image: $0) > 0 })
        // Where only a step makes results of it, the noise is what it is.
        let free = StartingPoint.gaussian.draw(ball, batch, clamps: false)[0]
        #expect((0..<2).allSatisfy { ball.distance(free, around: x, image: $0) > 1e-3 })
    }

    /// Softmax regression of four classes that gets every image right; classes 2 and 3 are out of reach.
    private func separable() -> (target: SoftmaxTarget, x: Tensor, labels: [Int32], radii: [Float]) {
        var linear = LinearTarget(classes: 4, pixels: Self.pixels)
        for class_ in 2..<4 { linear.weights[class_] = linear.weights[class_].map { -20 - abs($0) } }
        let target = SoftmaxTarget(linear: linear)
        let x = images(inside: true)
        let logits = target.outputs([x], readsRouters: false, draw: 0)[0].logits
        let labels = CrossEntropy.predictions(logits)
        let difference = zip(linear.weights[0], linear.weights[1]).map(-)
        let norm = difference.reduce(0) { $0 + abs($1) }
        let radii = (0..<6).map { abs(logits.pointer[4 * $0] - logits.pointer[4 * $0 + 1]) / norm }
        return (target, x, labels, radii)
    }

    @Test("flips a linear model from the radius on at which ε‖w‖₁ is its margin", arguments: ["ce", "dlr", "targets"])
    func closedForm(_ loss: String) throws {
        let (target, x, labels, radii) = separable()
        let objective: any Objective =
            loss == "dlr"
            ? DifferenceOfLogitsRatioObjective(labels: [labels]) : CrossEntropyObjective(labels: [labels])
        for (image, radius) in radii.enumerated() where radius < 0.15 {
            for (factor, isRight) in [(Float(0.99), true), (1.01, false)] {
                let attack = AutoProjectedGradientDescent(
                    ball: PerturbationBall(epsilon: factor * radius), steps: 20,
                    goal: loss == "targets" ? .targets(3) : .given)
                let batch = AttackBatch(
                    images: [x], labels: [labels], samples: [Array(0..<6)], seed: 1
                ).selecting([[image]])
                let found = try attack.perturb(batch, objective.selecting([[image]]), against: target)
                let outcome = try target.outcomes(found, labels: [[labels[image]]])[0]
                #expect(outcome.isCorrect == [isRight], "image \(image), \(factor) of the radius")
            }
        }
        #expect(radii.contains { $0 < 0.15 })
    }

    @Test("targets are tried one after the other on images that are still right")
    func targets() throws {
        /// Notes how many images each call has.
        final class Counter: AttackTarget {
            let model: SoftmaxTarget
            var sizes: [Int] = []
            var draws: [Int] = []
            init(_ model: SoftmaxTarget) { self.model = model }
            func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) -> [ModelOutputs] {
                sizes.append(images[0].images)
                draws.append(draw)
                return model.outputs(images, readsRouters: readsRouters, draw: draw)
            }
            func outputsAndInputGradient(
                _ images: [Tensor], _ objective: any Objective, draw: Int
            ) throws -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
                sizes.append(images[0].images)
                draws.append(draw)
                return try model.outputsAndInputGradient(images, objective, draw: draw)
            }
            func selecting(_ images: [[Int]]) -> Counter { self }
        }
        let (model, x, labels, radii) = separable()
        let radius = (radii.sorted()[2] + radii.sorted()[3]) / 2
        var wrong = labels
        wrong[5] = 1 - wrong[5]
        let batch = AttackBatch(images: [x], labels: [wrong], samples: [Array(0..<6)], seed: 1)
        let target = Counter(model)
        let attack = AutoProjectedGradientDescent(
            ball: PerturbationBall(epsilon: radius), steps: 4, goal: .targets(3))
        #expect(attack.fewestClasses == 4)
        let found = try attack.perturb(batch, CrossEntropyObjective(labels: [wrong]), against: target)[0]
        let right = radii[..<5].count { $0 > radius }
        #expect(target.sizes == [6] + [5, 5, 5, 5, 5] + [Int](repeating: right, count: 10))
        #expect(target.draws == Array(0..<16))
        // What was wrong when clean stays.
        #expect(found.slice(5..<6).toArray() == x.slice(5..<6).toArray())
    }
}
