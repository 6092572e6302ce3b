import Tensors
import Testing

@testable import Attacks

@Suite("l2 balls and noise")
struct PerturbationBallTests {
    private let workspace = Workspace()
    private let ball = PerturbationBall(.l2, epsilon: 0.5)

    private func tensor(images: Int, _ value: (Int) -> Float) -> Tensor {
        let tensor = Tensor(workspace, images: images, height: 4, width: 4, channels: 2)
        for index in 0..<tensor.count { tensor.pointer[index] = value(index) }
        return tensor
    }

    @Test("a step goes along the gradient over its norm, and comes back to the ball at its nearest point")
    func steps() throws {
        let center = tensor(images: 2) { _ in 0.5 }
        let x = center.duplicate()
        // Image 0: a gradient of 3 and 4; image 1: none.
        let gradient = tensor(images: 2) { $0 == 0 ? 3 : $0 == 1 ? -4 : 0 }
        ball.ascend(x, along: gradient, by: { _ in 0.25 }, around: center)
        #expect(abs(x.pointer[0] - 0.65) < 1e-6 && abs(x.pointer[1] - 0.3) < 1e-6 && x.pointer[2] == 0.5)
        #expect(x.slice(1..<2).toArray() == center.slice(1..<2).toArray())
        ball.ascend(x, along: gradient, by: { _ in 4 }, around: center)
        #expect(abs(x.pointer[0] - 0.8) < 1e-6 && abs(x.pointer[1] - 0.1) < 1e-6)
        #expect(abs(ball.distance(x, around: center, image: 0) - 0.5) < 1e-6)
        try ball.verify(x, around: center)
        let bad = tensor(images: 2) { _ in .infinity }
        let before = x.toArray()
        ball.ascend(x, along: bad, by: { _ in 1 }, around: center)
        #expect(x.toArray() == before)
    }

    @Test("starts fill the ball uniformly: d·(distance/epsilon)^d has the moments of a uniform draw")
    func starts() {
        let center = tensor(images: 400) { _ in 0.5 }
        let x = Tensor(like: center)
        ball.drawStart(around: center, into: x, clamps: false) {
            RandomStream(seed: 3, purpose: .attackStart, index: $0)
        }
        // The share of the volume within a draw's distance is uniform in [0, 1]; 32 dimensions.
        let shares = (0..<400).map { image in
            (0..<32).reduce(1.0) { product, _ in product * ball.distance(x, around: center, image: image) / 0.5 }
        }
        #expect(shares.allSatisfy { $0 <= 1.0001 })
        let mean = shares.reduce(0, +) / 400
        // Five standard errors.
        #expect(abs(mean - 0.5) < 5 * 0.289 / 20)
    }

    @Test("PGD stays in the ball and in [0, 1], and reaches the linear optimum")
    func optimum() throws {
        let target = LinearTarget(classes: 2, pixels: 32, labels: [[0, 1]])
        let x = tensor(images: 2) { 0.3 + 0.4 * Float($0 % 7) / 7 }
        let attack = ProjectedGradientDescent(ball: ball, stepSize: 0.2, steps: 10)
        func perturb(_ x: Tensor) throws -> [Tensor] {
            try attack.perturb(
                AttackBatch(images: [x], labels: [[0, 1]], samples: [[0, 1]], seed: 1),
                MarginObjective(labels: [[0, 1]]), against: target)
        }
        let found = try perturb(x)
        let (clean, losses) = (target.losses([x])[0], target.losses(found)[0])
        for image in 0..<2 {
            let norm = target.weights[image].reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            // The start is forgotten as steps add up to four radii: a few per cent are left.
            #expect(losses[image] - clean[image] > 0.95 * 0.5 * norm)
            #expect(losses[image] - clean[image] <= 0.5 * norm * (1 + 1e-5))
        }
        let edges = tensor(images: 2) { [0, 1, 0.01, 0.99][$0 % 4] }
        let atEdges = try perturb(edges)
        #expect(atEdges[0].elements.allSatisfy { $0 >= 0 && $0 <= 1 })
    }

    @Test("an l2 distance or a pixel out of bounds is an error with its place")
    func verification() {
        let center = tensor(images: 2) { _ in 0.5 }
        let x = tensor(images: 2) { $0 < 32 ? 0.5 : 0.6 }
        #expect { try ball.verify(x, around: center) } throws: { "\($0)".contains("image 1: l2 distance 0.56") }
        let outside = tensor(images: 2) { $0 == 5 ? -0.01 : 0.01 }
        #expect { try PerturbationBall(.l2, epsilon: 9).verify(outside, around: outside) } throws: {
            "\($0)".contains("element 5")
        }
    }

    @Test("Gaussian noise has its deviation, stays in [0, 1], and belongs to samples")
    func noise() {
        let x = tensor(images: 200) { _ in 0.5 }
        let samples = Array(100..<300)
        func noisy(_ deviation: Float, seed: UInt64 = 1) -> Tensor {
            GaussianNoise(deviation: deviation).perturb(
                AttackBatch(images: [x], labels: [], samples: [samples], seed: seed),
                CrossEntropyObjective(labels: []), against: LinearTarget(classes: 1, pixels: 32))[0]
        }
        let moves = noisy(0.05).elements.map { Double($0) - 0.5 }
        let count = Double(moves.count)
        let variance = moves.reduce(0) { $0 + $1 * $1 } / count
        // Five standard errors of a normal variance.
        #expect(abs(variance / 0.0025 - 1) < 5 * (2 / count).squareRoot())
        #expect(abs(moves.reduce(0, +) / count) < 5 * 0.05 / count.squareRoot())
        #expect(noisy(5).elements.allSatisfy { $0 >= 0 && $0 <= 1 })
        #expect(noisy(0).toArray() == x.toArray() && noisy(0.05).toArray() != noisy(0.05, seed: 2).toArray())
    }

    @Test("FGSM from a random start steps from the image, along the gradient at the start")
    func fastGradientSign() throws {
        var target = LinearTarget(classes: 2, pixels: 32, labels: [[0, 1]])
        var asked: [[Float]] = []
        target.observer = { images, _ in asked.append(images[0].toArray()) }
        let x = tensor(images: 2) { _ in 0.5 }
        let attack = ProjectedGradientDescent.fastGradientSign(
            PerturbationBall(epsilon: 0.1), start: .uniformUnclamped)
        let found = try attack.perturb(
            AttackBatch(images: [x], labels: [[0, 1]], samples: [[0, 1]], seed: 1),
            MarginObjective(labels: [[0, 1]]), against: target)[0]
        #expect(asked.count == 1 && asked[0] != x.toArray())
        #expect(found.elements.allSatisfy { abs(abs($0 - 0.5) - 0.1) < 1e-6 })
    }
}
