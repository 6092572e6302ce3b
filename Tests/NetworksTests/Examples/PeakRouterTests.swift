import Tensors
import Testing

@testable import Networks

@Suite("Example: a router")
struct PeakRouterTests {
    @Test("logits are those of the largest values")
    func logits() throws {
        let bench = LayerBench()
        let router = PeakRouter("moe", inputs: 3, experts: 2, bench.parameters)
        #expect(bench.parameters.slots.map(\.name) == ["moe.router.weight", "moe.router.bias"])
        bench.parameters.initialize(seed: 4)
        let x = bench.random([2, 3, 5, 3], 1)
        let (weight, bias) = (bench.parameters.slots[0], bench.parameters.slots[1])
        let logits = router.forward([x], bench.pass()).logits[0]
        for image in 0..<2 {
            let pixels = x.slice(image..<image + 1).elements
            let peaks = (0..<3).map { channel in
                stride(from: channel, to: pixels.count, by: 3).map { pixels[$0] }.max() ?? 0
            }
            for expert in 0..<2 {
                // Weights lie as `[inputs][experts]`.
                let known = (0..<3).reduce(bench.parameters.values(of: bias)[expert]) {
                    $0 + peaks[$1] * bench.parameters.values(of: weight)[$1 * 2 + expert]
                }
                #expect(abs(logits[2 * image + expert] - known) < 1e-5)
            }
        }
    }

    @Test("parameters and input, by central differences; gated where the input is a ReLU's output")
    func gradients() throws {
        let bench = LayerBench()
        let (experts, inputs) = (4, 6)
        let router = PeakRouter("moe", inputs: inputs, experts: experts, bench.parameters)
        bench.parameters.initialize(seed: 8)
        let x = [bench.random([3, 4, 5, inputs], 1), bench.random([2, 4, 5, inputs], 2)]
        let c = x.map { bench.random([$0.images, 1, 1, experts], 3) }
        let (_, tape) = router.forward(x, bench.pass())
        let gradients = Gradients(bench.parameters, shards: 2)
        let dx = router.backward(
            c, tape, x, adding: x.map(bench.zeros), masksInput: false, bench.pass(), into: gradients.unbalanced)
        try GradientCheck(step: 0.003).check(
            bench.variables(gradients) + x.indices.map { bench.input(x[$0], dx[$0], "input \($0)") }
        ) {
            let (logits, next) = router.forward(x, bench.pass())
            guard next.places == tape.places else { throw GradientCheck.ChoiceChanged() }
            return zip(logits, c).reduce(0) { sum, shard in
                sum + zip(shard.0, shard.1.elements).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
        }
        let masked = router.backward(
            c, tape, x, adding: x.map { bench.randomLike($0, 5) }, masksInput: true, bench.pass(), into: nil)
        let whole = router.backward(
            c, tape, x, adding: x.map { bench.randomLike($0, 5) }, masksInput: false, bench.pass(), into: nil)
        for shard in x.indices {
            for index in 0..<x[shard].count {
                let isKept = x[shard].pointer[index] > 0
                #expect(masked[shard].pointer[index] == (isKept ? whole[shard].pointer[index] : 0))
            }
        }
    }
}
