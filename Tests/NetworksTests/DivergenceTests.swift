import Foundation
import Tensors
import Testing

@Suite("Divergence")
struct DivergenceTests {
    private let workspace = Workspace()

    private func tensor(_ values: [Float]) -> Tensor {
        let result = Tensor(workspace, images: 1, channels: values.count)
        for (place, value) in values.enumerated() { result.pointer[place] = value }
        return result
    }

    private func divergence(_ p: [Double], _ q: [Double]) -> Double {
        func logSoftmax(_ z: [Double]) -> [Double] {
            let sum = log(z.reduce(0) { $0 + exp($1) })
            return z.map { $0 - sum }
        }
        return zip(logSoftmax(p), logSoftmax(q)).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
    }

    @Test("the value and both gradients are those of the formula")
    func values() {
        let (p, q): ([Float], [Float]) = ([0.3, -1.2, 2, 0.5], [1, 0.4, -0.7, 0.1])
        let found = Divergence.evaluate(tensor(p), tensor(q), weight: 3)
        let (a, b) = (p.map(Double.init), q.map(Double.init))
        #expect(abs(found.values[0] - divergence(a, b)) < 1e-6)
        for place in p.indices {
            func difference(_ change: (Double) -> Double) -> Double { (change(1e-5) - change(-1e-5)) / 2e-5 }
            let byTarget = difference { step in
                var moved = a
                moved[place] += step
                return 3 * divergence(moved, b)
            }
            let byLogits = difference { step in
                var moved = b
                moved[place] += step
                return 3 * divergence(a, moved)
            }
            #expect(abs(Double(found.dTarget.pointer[place]) - byTarget) < 1e-5)
            #expect(abs(Double(found.dLogits.pointer[place]) - byLogits) < 1e-5)
        }
    }

    @Test("equal logits diverge by nothing, and a gap of 300 leaves everything finite")
    func extremes() {
        let same = Divergence.evaluate(tensor([1, 2, 3]), tensor([1, 2, 3]), weight: 1)
        #expect(same.values[0] == 0 && same.dTarget.elements.allSatisfy { $0 == 0 })
        for (p, q) in [([300, 0], [0, 300]), ([0, 300], [0, 300]), ([0, -300], [1, 1])] as [([Float], [Float])] {
            let found = Divergence.evaluate(tensor(p), tensor(q), weight: 1)
            #expect(found.values[0].isFinite && found.values[0] >= 0)
            #expect(found.dTarget.elements.allSatisfy(\.isFinite) && found.dLogits.elements.allSatisfy(\.isFinite))
        }
    }
}
