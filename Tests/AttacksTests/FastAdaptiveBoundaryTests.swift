import Tensors
import Testing

@testable import Attacks

@Suite("FAB")
struct FastAdaptiveBoundaryTests {
    private static let images = 8
    private let problem = LinearProblem(images: images, workspace: Workspace())

    private func perturb(
        _ attack: FastAdaptiveBoundary, _ batch: AttackBatch, _ target: some AttackTarget
    ) throws -> [Tensor] {
        // Its own objective counts, not this one.
        try attack.perturb(batch, LastLogitObjective(), against: target)
    }

    @Test(
        "finds the nearest boundary of a linear model: wrong from just above the least distance on",
        arguments: PerturbationBall.Norm.allCases, [nil, 3])
    func leastDistance(_ norm: PerturbationBall.Norm, targets: Int?) throws {
        for image in 0..<Self.images {
            let distance = problem.distance(image, norm)
            for (factor, isFooled) in [(0.999, false), (1.01, true), (3, true)] {
                let ball = PerturbationBall(norm, epsilon: Float(factor * distance))
                let attack = FastAdaptiveBoundary(ball: ball, steps: 30, targets: targets)
                #expect(try problem.isFooled(image, by: attack) == isFooled, "image \(image), \(factor)")
                if isFooled {
                    let batch = problem.batch(of: image)
                    let found = try perturb(attack, batch, problem.target)[0]
                    // It looks for the nearest point, not for any in the ball, in one class's direction after the other.
                    let length = ball.distance(found, around: batch.images[0], image: 0)
                    #expect(length >= 0.999 * distance && (targets != nil || length <= 1.01 * distance))
                }
            }
        }
    }

    @Test("targets come in the order of the clean logits")
    func targetOrder() throws {
        var differing = 0
        for image in 0..<Self.images {
            let distances = (1...3).map { problem.distance(image, .linf, toward: $0) }
            if distances[0] > distances.min() ?? 0 { differing += 1 }
            for targets in 1...3 {
                let least = distances[..<targets].min() ?? 0
                func attack(_ factor: Double) -> FastAdaptiveBoundary {
                    FastAdaptiveBoundary(
                        ball: PerturbationBall(epsilon: Float(factor * least)), steps: 30, targets: targets)
                }
                #expect(try problem.isFooled(image, by: attack(1.01)))
            }
            // More targets than there are classes are all of them.
            let ball = PerturbationBall(epsilon: Float(0.02 + distances[0]))
            let (all, more) = (
                FastAdaptiveBoundary(ball: ball, steps: 5, targets: 3),
                FastAdaptiveBoundary(ball: ball, steps: 5, targets: 9)
            )
            #expect(
                try perturb(all, problem.batch, problem.target)[0].toArray()
                    == perturb(more, problem.batch, problem.target)[0].toArray())
        }
        #expect(differing > 0, "the likeliest class was the nearest everywhere: no test")
    }

    @Test("moves, step by step, as the formulas say")
    func steps() throws {
        // One pixel, logits (0.7 − x, 0), label 0 at x = 0.5: the boundary lies at 0.7.
        struct Line: AttackTarget {
            let visited: Visits
            func selecting(_ images: [[Int]]) -> Line { self }
            func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) -> [ModelOutputs] {
                visited.points.append(images[0].pointer[0])
                let logits = Tensor(images[0].workspace, images: 1, channels: 2)
                logits.pointer[0] = 0.7 - images[0].pointer[0]
                logits.pointer[1] = 0
                return [ModelOutputs(logits: logits)]
            }
            func outputsAndInputGradient(
                _ images: [Tensor], _ objective: any Objective, draw: Int
            ) -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
                let outputs = outputs(images, readsRouters: false, draw: draw)
                let value = objective.evaluate(outputs[0], shard: 0)
                let gradient = Tensor(like: images[0])
                gradient.pointer[0] = -(value.dLogits?.pointer[0] ?? 0)
                return (outputs, [value], [gradient])
            }
        }
        final class Visits { var points: [Float] = [] }
        let x = Tensor(Workspace(), images: 1, channels: 1)
        x.fill(0.5)
        let target = Line(visited: Visits())
        let batch = AttackBatch(images: [x], labels: [[0]], samples: [[0]], seed: 1)
        let attack = FastAdaptiveBoundary(ball: PerturbationBall(epsilon: 0.25), steps: 2, targets: 1)
        let found = try perturb(attack, batch, target)[0].pointer[0]
        // Clean; gradient there, 5% too far, wrong; gradient after the way back, and a step mixed of two.
        let first: Float = 0.5 + 1.05 * 0.2
        let back: Float = 0.5 + 0.9 * (first - 0.5)
        let bias: Float = (0.7 - back) / (0.7 - back + 0.2)
        let second = (1 - bias) * (back + 1.05 * (0.7 - back)) + bias * first
        let expected = [0.5, 0.5, first, back, second]
        #expect(target.visited.points.count == 5 && bias < 0.1)
        for (point, wanted) in zip(target.visited.points, expected) { #expect(abs(point - wanted) < 1e-6) }
        #expect(found == target.visited.points[4])
    }

    @Test("images that are wrong, or were found, are asked about no more; others get the same points without them")
    func selection() throws {
        let counter = CallCounter()
        let target = CountingTarget(problem.target, counter)
        var batch = problem.batch
        batch.labels[0][2] = (batch.labels[0][2] + 1) % 4
        let distances = (0..<Self.images).map { problem.distance($0, .linf, toward: 1) }
        // The larger half is still right after the first target.
        let epsilon = Float(distances.sorted()[Self.images / 2])
        let attack = FastAdaptiveBoundary(ball: PerturbationBall(epsilon: epsilon), steps: 3, restarts: 2)
        let found = try perturb(attack, batch, target)[0]
        #expect(counter.images.first == Self.images && counter.images[1] == Self.images - 1)
        #expect((counter.images.last ?? 0) < Self.images - 1)
        #expect(counter.draws == Array(0..<counter.draws.count))
        #expect(zip(counter.images, counter.images.dropFirst()).allSatisfy { $0 >= $1 })
        let clean = batch.images[0]
        #expect(found.slice(2..<3).toArray() == clean.slice(2..<3).toArray())
        for image in 0..<Self.images where image != 2 {
            let alone = try perturb(attack, problem.batch(of: image), problem.target)[0]
            #expect(alone.toArray() == found.slice(image..<image + 1).toArray(), "image \(image)")
        }
        #expect(found.toArray() != clean.toArray())
        // In shards of any size.
        let parts = [[0, 1, 2], [], [3, 4, 5, 6, 7]]
        let sharded = AttackBatch(
            images: parts.map { ImageSelection.gather(clean, $0) },
            labels: parts.map { $0.map { batch.labels[0][$0] } },
            samples: parts.map { $0.map { batch.samples[0][$0] } }, seed: batch.seed)
        #expect(try perturb(attack, sharded, problem.target).flatMap { $0.toArray() } == found.toArray())
    }

    @Test("later restarts begin at random, within half the radius", arguments: PerturbationBall.Norm.allCases)
    func restarts(_ norm: PerturbationBall.Norm) throws {
        final class Starts { var points: [[Float]] = [] }
        struct Flat: AttackTarget {
            let starts: Starts
            func selecting(_ images: [[Int]]) -> Flat { self }
            func outputs(_ images: [Tensor], readsRouters: Bool, draw: Int) -> [ModelOutputs] {
                let logits = Tensor(images[0].workspace, images: images[0].images, channels: 2)
                for image in 0..<logits.images { (logits.pointer[2 * image], logits.pointer[2 * image + 1]) = (1, 0) }
                return [ModelOutputs(logits: logits)]
            }
            func outputsAndInputGradient(
                _ images: [Tensor], _ objective: any Objective, draw: Int
            ) -> (outputs: [ModelOutputs], values: [ObjectiveValue], gradient: [Tensor]) {
                starts.points.append(images[0].toArray())
                let outputs = outputs(images, readsRouters: false, draw: draw)
                let gradient = Tensor(like: images[0])
                gradient.fill(0)
                return (outputs, [objective.evaluate(outputs[0], shard: 0)], [gradient])
            }
        }
        let starts = Starts()
        var batch = problem.batch
        batch.labels = [[Int32](repeating: 0, count: Self.images)]
        let ball = PerturbationBall(norm, epsilon: 0.3)
        let attack = FastAdaptiveBoundary(ball: ball, steps: 1, restarts: 3, targets: 1)
        let found = try perturb(attack, batch, Flat(starts: starts))
        // No slope, no move: where a search begins is all that is asked about.
        #expect(found[0].toArray() == batch.images[0].toArray())
        #expect(starts.points.count == 3 && starts.points[0] == batch.images[0].toArray())
        #expect(starts.points[1] != starts.points[2])
        for points in starts.points[1...] {
            for image in 0..<Self.images {
                let size = batch.images[0].imageSize
                let moved = (0..<size).map { points[image * size + $0] - batch.images[0].pointer[image * size + $0] }
                let length =
                    norm == .linf
                    ? moved.reduce(0) { max($0, abs($1)) } : moved.reduce(0) { $0 + $1 * $1 }.squareRoot()
                #expect(abs(length - 0.15) < 1e-5)
            }
        }
    }

    @Test("without a gradient that is a number, the clean images come back", arguments: [Float.nan, .infinity])
    func brokenTarget(_ value: Float) throws {
        var linear = problem.target.linear
        let labels = [Int32](repeating: 1, count: Self.images)
        linear.weights = linear.weights.map { $0.map { -abs($0) } }
        linear.damage = { _ in value }
        var target = LinearTarget(classes: 4, pixels: problem.batch.images[0].imageSize, labels: [labels])
        target.weights = linear.weights
        target.damage = linear.damage
        var batch = problem.batch
        batch.labels = [labels]
        let attack = FastAdaptiveBoundary(ball: PerturbationBall(epsilon: 0.1), steps: 3)
        #expect(try perturb(attack, batch, target)[0].toArray() == batch.images[0].toArray())
    }
}
