import Tensors
import Testing

@testable import Networks

/// A kind of gate: what straight-through, renormalised and plain weights have in common in tests.
struct GateCase: CustomTestStringConvertible, Sendable {
    let gate: Gate
    var testDescription: String {
        "k=\(gate.topK) \(gate.isStraightThrough ? "straight-through" : gate.renormalizes ? "renormalised" : "plain")"
    }

    static let straightThrough = GateCase(gate: Gate(topK: 1, isStraightThrough: true, renormalizes: true))
    static let renormalised = GateCase(gate: Gate(topK: 2, isStraightThrough: false, renormalizes: true))
    static let all = [
        straightThrough, renormalised, GateCase(gate: Gate(topK: 2, isStraightThrough: false, renormalizes: false)),
        GateCase(gate: Gate(topK: 1, isStraightThrough: false, renormalizes: false)),
    ]
}

@Suite("Gates")
struct GateTests {
    @Test("ties go to the lowest index", arguments: [1, 2, 3])
    func ties(_ topK: Int) {
        let gate = Gate(topK: topK, isStraightThrough: false, renormalizes: false)
        let scores: [Float] = [0.25, 0.25, 0.25, 0.25, 0.1, 0.4, 0.1, 0.4, 0.2, 0.3, 0.3, 0.2]
        let routes = gate.weigh(scores: scores, chosen: gate.choose(scores, experts: 4), experts: 4)
        let expected = [[0, 1, 2], [1, 3, 0], [1, 2, 0]].flatMap { $0[..<topK] }
        #expect(routes.experts == expected)
        #expect(routes.images == 3)
    }

    @Test("preferences choose, clean scores weigh")
    func preferencesOnlyChoose() {
        let gate = Gate(topK: 2, isStraightThrough: false, renormalizes: false)
        let routes = gate.weigh(
            scores: [0.5, 0.3, 0.2], chosen: gate.choose([0, 1, 5], experts: 3), experts: 3)
        #expect(routes.experts == [2, 1])
        #expect(routes.weights == [0.2, 0.3])
    }

    @Test("the gradient of the weights is that of the surrogate with the choice fixed", arguments: GateCase.all)
    func surrogate(_ test: GateCase) {
        let experts = 5
        let images = 4
        var stream = RandomStream(seed: 1, purpose: .synthetic)
        let scores = (0..<images * experts).map { _ in 0.05 + stream.uniform() }
        let routes = test.gate.weigh(
            scores: scores, chosen: test.gate.choose(scores, experts: experts), experts: experts)
        let dWeights = routes.weights.map { _ in stream.normal() }
        let found = test.gate.backward(dWeights, scores: scores, routes, experts: experts)

        /// Σ dWeights · r(s) in Double, the chosen experts fixed.
        func value(_ s: [Double], comparesWeights: Bool = false) -> Double {
            var result = 0.0
            for image in 0..<images {
                let places = image * test.gate.topK..<(image + 1) * test.gate.topK
                let kept = places.map { s[image * experts + routes.experts[$0]] }
                let sum = kept.reduce(1e-5, +)
                for (place, score) in zip(places, kept) {
                    let clean = Double(scores[image * experts + routes.experts[place]])
                    let weight =
                        test.gate.isStraightThrough ? 1 + score - clean : test.gate.renormalizes ? score / sum : score
                    if comparesWeights { #expect(abs(weight - Double(routes.weights[place])) < 1e-6) }
                    result += Double(dWeights[place]) * weight
                }
            }
            return result
        }
        _ = value(scores.map(Double.init), comparesWeights: true)
        for place in scores.indices {
            var s = scores.map(Double.init)
            s[place] += 1e-5
            let high = value(s)
            s[place] -= 2e-5
            #expect(abs((high - value(s)) / 2e-5 - Double(found[place])) < 1e-5)
        }
    }
}
