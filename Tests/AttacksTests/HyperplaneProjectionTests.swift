import Tensors
import Testing

@testable import Attacks

@Suite("projection onto a hyperplane within the box")
struct HyperplaneProjectionTests {
    /// The change by bisection on the multiplier, in Double.
    private func bisected(_ x: [Float], _ weights: [Float], excess: Double, _ norm: PerturbationBall.Norm) -> [Double] {
        let sign: Double = excess < 0 ? -1 : 1
        func change(_ multiplier: Double) -> [Double] {
            zip(x, weights).map { x, weight in
                let weight = sign * Double(weight)
                if weight == 0 { return 0 }
                let room = weight > 0 ? Double(x) : 1 - Double(x)
                let step = min(norm == .linf ? multiplier : multiplier * abs(weight), room)
                return weight > 0 ? -step : step
            }
        }
        func loss(_ change: [Double]) -> Double { -zip(change, weights).reduce(0) { $0 + $1.0 * Double($1.1) } * sign }
        var (low, high) = (0.0, 1e9)
        if loss(change(high)) <= abs(excess) { return change(high) }
        for _ in 0..<200 {
            let middle = (low + high) / 2
            if loss(change(middle)) < abs(excess) { low = middle } else { high = middle }
        }
        return change(high)
    }

    private func project(
        _ x: [Float], _ weights: [Float], excess: Double, _ norm: PerturbationBall.Norm
    ) -> (change: [Float], length: Float) {
        let projection = HyperplaneProjection(norm: norm, count: x.count)
        var change = [Float](repeating: .nan, count: x.count)
        var scratch = [Float](repeating: .nan, count: projection.scratchCount)
        let length = projection.project(x, along: weights, excess: excess, into: &change, scratch: &scratch)
        return (change, length)
    }

    @Test("is what bisection finds", arguments: PerturbationBall.Norm.allCases, [1, 5, 16, 37, 300])
    func bisection(_ norm: PerturbationBall.Norm, count: Int) {
        var stream = RandomStream(seed: 3, purpose: .synthetic, index: count)
        var (reached, unreached, capped) = (0, 0, 0)
        for trial in 0..<200 {
            // On the border, close to it, and inside; with weight, little weight, and none.
            let x = (0..<count).map { _ -> Float in
                let u = stream.uniform()
                return [0, 1, 0.001 * u, 1 - 0.001 * u, u, u][stream.integer(below: 6)]
            }
            let weights = (0..<count).map { _ in stream.normal() * [0, 1e-4, 1, 1][stream.integer(below: 4)] }
            let sign: Float = trial % 2 == 0 ? 1 : -1
            let most = zip(x, weights).reduce(0.0) { sum, element in
                let weight = Double(sign * element.1)
                return sum + (weight > 0 ? weight * Double(element.0) : -weight * (1 - Double(element.0)))
            }
            let excess = Double(sign) * most * Double(1.3 * stream.uniform())
            let (change, length) = project(x, weights, excess: excess, norm)
            let expected = bisected(x, weights, excess: excess, norm)
            for index in 0..<count {
                #expect(abs(Double(change[index]) - expected[index]) <= 2e-5, "element \(index)")
                #expect((-1e-7...1 + 1e-7).contains(x[index] + change[index]))
                if weights[index] == 0 { #expect(change[index] == 0) }
            }
            let lost = -zip(change, weights).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            #expect(abs(lost - (abs(excess) < most ? excess : Double(sign) * most)) <= 2e-5 * max(1, most))
            if abs(excess) < most { reached += 1 } else { unreached += 1 }
            if norm == .linf, change.contains(where: { $0 != 0 && abs($0) < 0.99 * length }) { capped += 1 }
            switch norm {
            case .linf: #expect(length == change.reduce(0) { max($0, abs($1)) })
            case .l2:
                let squares = change.reduce(0.0) { $0 + Double($1) * Double($1) }
                #expect(abs(Double(length) - squares.squareRoot()) <= 1e-6 * Double(count))
            }
        }
        #expect(reached > 20 && unreached > 20)
        if count > 5, norm == .linf { #expect(capped > 100, "borders played no part") }
    }

    @Test("nothing moves without weights, on the hyperplane, and where numbers are none")
    func nothing() {
        for norm in PerturbationBall.Norm.allCases {
            #expect(project([0.5, 0.2], [0, 0], excess: 1, norm).change == [0, 0])
            #expect(project([0.5, 0.2], [1, 2], excess: 0, norm).change == [0, 0])
            #expect(project([0.5, 0.2], [.nan, 2], excess: 1, norm).change == [0, 0])
            #expect(project([0.5, 0.2], [.infinity, 2], excess: 1, norm).change == [0, 0])
            #expect(project([0.5, 0.2], [1, 2], excess: .nan, norm).change == [0, 0])
            #expect(project([0.5, 0.2], [1, 2], excess: 1, norm).length > 0)
        }
    }
}
