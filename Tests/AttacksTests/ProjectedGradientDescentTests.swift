import Tensors
import Testing

@testable import Attacks

@Suite("Projected gradient descent")
struct ProjectedGradientDescentTests {
    static let epsilon: Float = 8 / 255
    static let pixels = 4 * 3 * 3
    private let workspace = Workspace()
    private let labels: [Int32] = [0, 2, 1, 1, 0, 2]

    /// Six images; every third pixel lies at or near a border of [0, 1].
    private func images(inside: Bool = false) -> Tensor {
        let x = Tensor(workspace, images: 6, height: 4, width: 3, channels: 3)
        var stream = RandomStream(seed: 2, purpose: .synthetic)
        for index in 0..<x.count {
            let u = stream.uniform()
            x.pointer[index] = inside ? 0.2 + 0.6 * u : index % 3 == 0 ? [0, 1, 0.01, 0.99, 0x1p-20][index % 5] : u
        }
        return x
    }

    private func attack(
        steps: Int = 10, restarts: Int = 1, start: StartingPoint = .uniform,
        keep: ProjectedGradientDescent.Keep = .last, epsilon: Float = ProjectedGradientDescentTests.epsilon,
        stepSize: Float = 2 / 255
    ) -> ProjectedGradientDescent {
        ProjectedGradientDescent(
            ball: PerturbationBall(epsilon: epsilon), stepSize: stepSize, steps: steps, restarts: restarts,
            start: start,
            keep: keep)
    }

    /// Attacks the batch cut into shards of these sizes.
    private func run(
        _ attack: ProjectedGradientDescent, _ x: Tensor, _ target: some JudgedTarget, sizes: [Int] = [6],
        seed: UInt64 = 1, step: Int = 0, firstSample: Int = 0
    ) throws -> [Float] {
        var first = 0
        var shards: [Tensor] = []
        var parts: [[Int32]] = []
        var samples: [[Int]] = []
        for size in sizes {
            let shard = Tensor(workspace, images: size, height: 4, width: 3, channels: 3)
            shard.copy(from: x.slice(first..<first + size))
            shards.append(shard)
            parts.append(Array(labels[first..<first + size]))
            samples.append(Array(firstSample + first..<firstSample + first + size))
            first += size
        }
        let before = shards.map { $0.toArray() }
        let batch = AttackBatch(images: shards, labels: parts, samples: samples, seed: seed, step: step)
        let result = try attack.perturb(batch, type(of: target).objective(parts), against: target)
        #expect(shards.map { $0.toArray() } == before, "the clean images were written to")
        #expect(result.map(\.images) == sizes)
        return result.flatMap { $0.toArray() }
    }

    private func tensor(_ values: [Float]) -> Tensor {
        let x = Tensor(workspace, images: values.count / Self.pixels, height: 4, width: 3, channels: 3)
        for (index, value) in values.enumerated() { x.pointer[index] = value }
        return x
    }

    @Test(
        "reaches the optimum of a linear loss, epsilon times the l1 norm of the weight",
        arguments: StartingPoint.allCases, ProjectedGradientDescent.Keep.allCases)
    func linearOptimum(_ start: StartingPoint, _ keep: ProjectedGradientDescent.Keep) throws {
        let target = LinearTarget(classes: 3, pixels: Self.pixels, labels: [labels])
        let x = images(inside: true)
        let clean = target.losses([x])[0]
        let found = target.losses([tensor(try run(attack(start: start, keep: keep), x, target))])[0]
        for (image, label) in labels.enumerated() {
            let norm = target.weights[Int(label)].reduce(0) { $0 + abs(Double($1)) }
            let gain = Double(Self.epsilon) * norm
            // Each pixel is off by half an ulp at most.
            #expect(abs(found[image] - clean[image] - gain) <= 0x1p-24 * norm, "image \(image)")
        }
    }

    @Test("reaches the best image of ball and [0, 1] also at the borders")
    func optimumAtBorders() throws {
        let target = LinearTarget(classes: 3, pixels: Self.pixels, labels: [labels])
        let x = images()
        let found = try run(attack(), x, target)
        for index in 0..<x.count {
            let weight = target.weights[Int(labels[index / Self.pixels])][index % Self.pixels]
            let center = x.pointer[index]
            #expect(found[index] == (weight > 0 ? min(1, center + Self.epsilon) : max(0, center - Self.epsilon)))
        }
    }

    @Test(
        "stays in the ball and in [0, 1]", arguments: [0, 1e-4, 1 / 255, 8 / 255, 0.3, 1] as [Float],
        StartingPoint.allCases)
    func staysInside(_ epsilon: Float, _ start: StartingPoint) throws {
        let x = images()
        let target = SoftmaxTarget(linear: LinearTarget(classes: 3, pixels: Self.pixels))
        for keep in ProjectedGradientDescent.Keep.allCases {
            let found = try run(
                attack(steps: 5, restarts: 2, start: start, keep: keep, epsilon: epsilon, stepSize: 0.03), x, target)
            for (index, value) in found.enumerated() {
                let distance = abs(Double(value) - Double(x.pointer[index]))
                #expect(distance <= Double(epsilon) + 0x1p-24)
                #expect(value >= 0 && value <= 1)
            }
        }
    }

    @Test("FGSM is one step of size epsilon from the clean image")
    func fastGradientSign() throws {
        let target = SoftmaxTarget(linear: LinearTarget(classes: 3, pixels: Self.pixels))
        let x = images()
        let ball = PerturbationBall(epsilon: Self.epsilon)
        let found = try run(.fastGradientSign(ball), x, target)
        #expect(found == (try run(attack(steps: 1, start: .none, stepSize: Self.epsilon), x, target)))
        let gradient = try target.outputsAndInputGradient([x], SoftmaxTarget.objective([labels]), draw: 0).gradient[0]
        for index in 0..<x.count {
            let moved = x.pointer[index] + (gradient.pointer[index] > 0 ? Self.epsilon : -Self.epsilon)
            #expect(abs(found[index] - min(1, max(0, moved))) <= 0x1p-24)
        }
    }

    @Test("epsilon 0 is the identity")
    func epsilonZero() throws {
        let target = LinearTarget(classes: 3, pixels: Self.pixels, labels: [labels])
        let x = images()
        for start in StartingPoint.allCases {
            #expect(try run(attack(restarts: 2, start: start, epsilon: 0), x, target) == x.toArray())
        }
        #expect(try run(.fastGradientSign(PerturbationBall(epsilon: 0)), x, target) == x.toArray())
    }

    @Test("no steps leave the start")
    func noSteps() throws {
        let target = LinearTarget(classes: 3, pixels: Self.pixels, labels: [labels])
        let x = images()
        #expect(try run(attack(steps: 0, start: .none), x, target) == x.toArray())
        let drawn = try run(attack(steps: 0), x, target)
        #expect(drawn != x.toArray())
        #expect(try run(attack(steps: 0, start: .uniformUnclamped), x, target) == drawn)
    }

    @Test("an unclamped start may leave [0, 1], the first step comes back")
    func unclampedStart() throws {
        var target = LinearTarget(classes: 3, pixels: Self.pixels, labels: [labels])
        var outside = [Int]()
        target.observer = { images, _ in
            outside.append(images[0].elements.filter { $0 < 0 || $0 > 1 }.count)
        }
        _ = try run(attack(steps: 3, start: .uniformUnclamped, keep: .best), images(), target)
        #expect(outside.count == 4 && outside[0] > 0 && outside[1...].allSatisfy { $0 == 0 })
    }

    @Test("the best iterate is never worse than any iterate, the last one may be")
    func keepsBest() throws {
        var linear = LinearTarget(classes: 3, pixels: Self.pixels, labels: [labels])
        // Gradients that point the wrong way half of the time.
        var calls = 0
        var highest = [Double](repeating: -.infinity, count: 6)
        var last = highest
        linear.damage = { calls % 3 == 0 ? $0 : -$0 }
        linear.observer = { _, losses in
            calls += 1
            for (image, loss) in losses[0].enumerated() { highest[image] = max(highest[image], loss) }
            last = losses[0]
        }
        let x = images(inside: true)
        let found = tensor(try run(attack(steps: 7, keep: .best), x, linear))
        let kept = linear.visibleLosses([found])[0]
        #expect(kept == highest)
        #expect(zip(last, highest).contains { $0 < $1 }, "the last iterate was the best everywhere: no test")
    }

    @Test("restarts keep the worse for the model: fooled first, then the higher loss")
    func restartsKeepWorse() throws {
        let target = SoftmaxTarget(linear: LinearTarget(classes: 3, pixels: Self.pixels))
        let x = images()
        // One small step: results depend on the start.
        func found(_ restarts: Int) throws -> AttackOutcome {
            let values = try run(attack(steps: 1, restarts: restarts, stepSize: 0.001), x, target)
            return try target.outcomes([tensor(values)], labels: [labels])[0]
        }
        var before = try found(1)
        var improved = 0
        for restarts in 2...6 {
            let after = try found(restarts)
            for image in 0..<6 {
                #expect(before.isCorrect[image] || !after.isCorrect[image])
                if before.isCorrect[image] == after.isCorrect[image] {
                    #expect(after.losses[image] >= before.losses[image])
                }
                if after.losses[image] > before.losses[image] { improved += 1 }
            }
            before = after
        }
        #expect(improved > 0, "no restart was better: all had the same start")
    }

    @Test("an image that fools the model is kept, though a later one has the higher loss")
    func fooledImagesStay() throws {
        /// The first restart is wrong with a small loss, later ones are right with a large loss.
        final class Scripted: JudgedTarget {
            var calls = 0
            let labels: [Int32]
            let workspace = Workspace()
            init(_ labels: [Int32]) { self.labels = labels }
            static func objective(_ labels: [[Int32]]) -> any Objective { LastLogitObjective() }
            func outputsAndInputGradient(
                _ images: [Tensor], _ objective: any Objective, draw: Int
            ) -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) { ([], [], []) }
            func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) -> [ModelOutputs] {
                calls += 1
                // Three classes, and the loss, which is never the largest.
                let logits = Tensor(workspace, images: labels.count, channels: 4)
                logits.fill(0)
                for (image, label) in labels.enumerated() {
                    let predicted = calls > 1 ? Int(label) : (Int(label) + 1) % 3
                    logits.pointer[4 * image + predicted] = 10
                    logits.pointer[4 * image + 3] = Float(calls)
                }
                return [ModelOutputs(logits: logits)]
            }
        }
        let x = images(inside: true)
        let target = Scripted(labels)
        let found = try run(attack(steps: 0, restarts: 3), x, target)
        #expect(target.calls == 3)
        #expect(try found == run(attack(steps: 0), x, Scripted(labels)))
    }

    @Test("starts depend on sample, seed and step, not on the shards")
    func startsAreCounterBased() throws {
        let target = SoftmaxTarget(linear: LinearTarget(classes: 3, pixels: Self.pixels))
        let x = images(inside: true)
        let attack = attack(steps: 2, restarts: 2, stepSize: 0.001)
        let whole = try run(attack, x, target)
        for sizes in [[2, 4], [0, 6], [1, 1, 0, 4]] { #expect(try run(attack, x, target, sizes: sizes) == whole) }
        #expect(try run(attack, x, target, seed: 2) != whole)
        #expect(try run(attack, x, target, step: 1) != whole)
        #expect(try run(attack, x, target, firstSample: 1) != whole)
        #expect(try run(attack, x, target) == whole)
    }

    @Test("uniform starts fill the ball")
    func startsAreUniform() throws {
        let x = Tensor(workspace, images: 200, height: 4, width: 3, channels: 3)
        x.fill(0.5)
        let start = Tensor(like: x)
        PerturbationBall(epsilon: Self.epsilon).drawStart(around: x, into: start, clamps: true) {
            RandomStream(seed: 3, purpose: .attackStart, index: $0)
        }
        let moves = start.elements.map { (Double($0) - 0.5) / Double(Self.epsilon) }
        let count = Double(moves.count)
        let mean = moves.reduce(0, +) / count
        let variance = moves.reduce(0) { $0 + $1 * $1 } / count
        // Five standard errors of a uniform draw in ±1.
        #expect(abs(mean) < 5 * 0.577 / count.squareRoot())
        #expect(abs(variance - 1.0 / 3) < 5 * 0.298 / count.squareRoot())
        #expect((moves.max() ?? 0) > 0.99 && (moves.min() ?? 0) < -0.99)
    }

    @Test("a broken target leaves the images in the ball", arguments: [Float.nan, .infinity, -.infinity])
    func brokenTarget(_ value: Float) throws {
        var target = LinearTarget(classes: 3, pixels: Self.pixels, labels: [labels])
        target.damage = { _ in value }
        let x = images()
        let found = try run(attack(start: .none), x, target)
        if value.isNaN { #expect(found == x.toArray(), "NaN has no sign") }
        for (index, pixel) in found.enumerated() {
            #expect(abs(Double(pixel) - Double(x.pointer[index])) <= Double(Self.epsilon) + 0x1p-24)
        }
        // Losses that are no numbers are never the highest.
        target.weights = target.weights.map { $0.map { _ in .nan } }
        #expect(try run(attack(start: .none, keep: .best), x, target) == x.toArray())
    }

    @Test(
        "a violated ball is reported with the pixel, values in Double",
        arguments: [
            (0.5, 0.6, false), (0.5, 0.53, true), (0, -0.001, false), (1, 1.0001, false), (0.5, .nan, false),
            (0.9, 0.931_373, false), (0.9, 0.931_372, true),
        ] as [(Float, Float, Bool)])
    func verification(_ center: Float, _ pixel: Float, _ isInside: Bool) {
        let clean = Tensor(workspace, images: 1, height: 1, width: 2, channels: 1)
        let found = Tensor(like: clean)
        clean.fill(center)
        found.fill(center)
        found.pointer[1] = pixel
        let ball = PerturbationBall(epsilon: Self.epsilon)
        do {
            try ball.verify(found, around: clean)
            #expect(isInside)
        } catch let error as AttackError {
            #expect(!isInside)
            #expect(error.description.contains("element 1"))
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test("an attack that leaves its ball is an error, not a result")
    func violationThrows() throws {
        /// Writes to the images that it is asked about.
        struct Vandal: JudgedTarget {
            let workspace = Workspace()
            func outputsAndInputGradient(
                _ images: [Tensor], _ objective: any Objective, draw: Int
            ) -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
                ([], [], images.map { Tensor(like: $0) })
            }
            func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) -> [ModelOutputs] {
                images.map { shard in
                    shard.fill(0.9)
                    let logits = Tensor(workspace, images: shard.images, channels: 3)
                    logits.fill(0)
                    return ModelOutputs(logits: logits)
                }
            }
        }
        #expect(throws: AttackError.self) { try run(attack(steps: 0, restarts: 2), images(), Vandal()) }
    }
}
