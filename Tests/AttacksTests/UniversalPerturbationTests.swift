import Tensors
import Testing

@testable import Attacks

@Suite("Universal perturbations")
struct UniversalPerturbationTests {
    private let workspace = Workspace()
    private static let side = 4

    /// Images whose pixels lie within a range, and a linear model for each of their labels.
    private func scene(_ labels: [Int32], _ pixels: ClosedRange<Float>) -> (AttackBatch, LinearTarget) {
        let x = Tensor(workspace, images: labels.count, height: Self.side, width: Self.side, channels: 3)
        var stream = RandomStream(seed: 4, purpose: .synthetic)
        for index in 0..<x.count {
            x.pointer[index] = pixels.lowerBound + (pixels.upperBound - pixels.lowerBound) * stream.uniform()
        }
        let batch = AttackBatch(
            images: [x], labels: [labels], samples: [Array(labels.indices)], seed: 1)
        return (batch, LinearTarget(classes: 3, pixels: x.imageSize, labels: [labels]))
    }

    private func ascend(
        _ perturbation: inout UniversalPerturbation, _ batch: AttackBatch, _ target: some JudgedTarget
    ) throws {
        let objective = type(of: target).objective(batch.labels)
        for _ in 0..<perturbation.passes {
            perturbation.ascend(along: try perturbation.gradientSum(batch, objective, against: target))
        }
    }

    @Test("The best common change of a linear model is found", arguments: PerturbationBall.Norm.allCases)
    func linear(norm: PerturbationBall.Norm) throws {
        let labels: [Int32] = [0, 1, 0, 2, 1, 0, 0]
        let (batch, target) = scene(labels, 0.4...0.6)
        let ball = PerturbationBall(norm, epsilon: 0.1)
        var perturbation = UniversalPerturbation(ball: ball, stepSize: 0.03, passes: 4)
        try ascend(&perturbation, batch, target)
        let images = try perturbation.perturb(batch, MarginObjective(labels: [labels]), against: target)
        // All losses together have the sum of the labels' weights for slope, and the dual norm of that is the best gain.
        let slopes = (0..<batch.images[0].imageSize).map { place in
            labels.reduce(0.0) { $0 + Double(target.weights[Int($1)][place]) }
        }
        let dual =
            norm == .linf
            ? slopes.reduce(0) { $0 + abs($1) } : slopes.reduce(0) { $0 + $1 * $1 }.squareRoot()
        func sum(_ images: [Tensor]) -> Double { target.losses(images)[0].reduce(0, +) }
        let gain = sum(images) - sum(batch.images)
        #expect(abs(gain / (0.1 * dual) - 1) < 1e-5, "\(gain), best \(0.1 * dual)")
        // One change for all.
        for image in labels.indices {
            for place in slopes.indices {
                let index = image * slopes.count + place
                let moved = images[0].pointer[index] - batch.images[0].pointer[index]
                #expect(abs(moved - perturbation.change[place]) < 1e-6)
            }
        }
    }

    @Test("The gradient of all losses is that of central differences")
    func differences() throws {
        let labels: [Int32] = [0, 1, 2, 1]
        let (batch, linear) = scene(labels, 0.2...0.8)
        let target = SoftmaxTarget(linear: linear)
        let objective = CrossEntropyObjective(labels: [labels])
        let size = batch.images[0].imageSize
        // Far within the ball, an l2 step along one axis is a change of that pixel.
        var base = UniversalPerturbation(ball: PerturbationBall(.l2, epsilon: 5), stepSize: 0.1, passes: 1)
        base.ascend(along: (0..<size).map { $0 % 3 == 0 ? 1 : -0.5 })
        let gradient = try base.gradientSum(batch, objective, against: target)
        func loss(_ place: Int, _ sign: Double) throws -> Double {
            var moved = base
            moved.stepSize = 0.01
            moved.ascend(along: (0..<size).map { $0 == place ? sign : 0 })
            let images = try moved.perturb(batch, objective, against: target)
            return try target.outcomes(images, labels: [labels])[0].losses.reduce(0, +)
        }
        for place in 0..<size {
            let difference = (try loss(place, 1) - loss(place, -1)) / 0.02
            #expect(abs(difference - gradient[place]) < 1e-3 * (1 + abs(gradient[place])), "place \(place)")
        }
    }

    @Test("An image at a border has a say inwards alone")
    func borders() throws {
        let labels: [Int32] = [0, 0, 0]
        let (batch, target) = scene(labels, 0.5...0.5)
        let size = batch.images[0].imageSize
        for (image, value) in [(0, Float(0)), (1, 1)] {
            for place in 0..<size { batch.images[0].pointer[image * size + place] = value }
        }
        let perturbation = UniversalPerturbation(ball: PerturbationBall(epsilon: 0.1), stepSize: 0.1, passes: 1)
        let sum = try perturbation.gradientSum(batch, MarginObjective(labels: [labels]), against: target)
        for (place, weight) in target.weights[0].enumerated() { #expect(abs(sum[place] - 2 * Double(weight)) < 1e-5) }
    }

    @Test(
        "Whatever the gradients, it stays in the ball and images in [0, 1]", arguments: PerturbationBall.Norm.allCases)
    func staysInBall(norm: PerturbationBall.Norm) throws {
        let labels = [Int32](repeating: 0, count: 9)
        let (batch, target) = scene(labels, -0.2...1.2)
        let x = batch.images[0]
        for index in 0..<x.count { x.pointer[index] = min(max(x.pointer[index], 0), 1) }
        var perturbation = UniversalPerturbation(ball: PerturbationBall(norm, epsilon: 0.07), stepSize: 0.05, passes: 9)
        var stream = RandomStream(seed: 8, purpose: .synthetic)
        for _ in 0..<9 {
            perturbation.ascend(along: (0..<x.imageSize).map { _ in Double(stream.normal()) * 1e-3 })
            let found = try perturbation.perturb(batch, MarginObjective(labels: [labels]), against: target)[0]
            for image in labels.indices {
                #expect(perturbation.ball.distance(found, around: x, image: image) <= 0.07 * (1 + 1e-5))
            }
            #expect(found.elements.allSatisfy { (0...1).contains($0) })
        }
        perturbation.ascend(along: [Double](repeating: .nan, count: x.imageSize))
        #expect(perturbation.change.allSatisfy(\.isFinite) && perturbation.change.contains { $0 != 0 })
    }

    @Test("Without a change of the images' size there is nothing to add")
    func otherSize() throws {
        let (batch, target) = scene([0], 0.5...0.5)
        var perturbation = UniversalPerturbation(ball: PerturbationBall(epsilon: 0.1), stepSize: 0.1, passes: 1)
        for found in [0, 5] {
            if found > 0 { perturbation.ascend(along: [1, 1, 1, 1, 1]) }
            let error = #expect(throws: AttackError.self) {
                try perturbation.perturb(batch, MarginObjective(labels: [[0]]), against: target)
            }
            #expect(error?.description == "expected a universal perturbation of 48 values, found \(found)")
        }
    }
}
