import Tensors
import Testing

@testable import Networks

/// Frozen passes with the batch norm folded into the filters against unfolded ones.
@Suite("Folded batch norm")
struct FoldingTests {
    static let cases = [NetworkCase.dense] + NetworkCase.mixtures + NetworkCase.architectures

    private func rms(_ x: Tensor) -> Double { (projection(x, x) / Double(x.count)).squareRoot() }

    private func expectSameLogits(_ folded: [Tensor], _ plain: [Tensor], _ bound: Double) {
        for (a, b) in zip(folded, plain) where b.images > 0 {
            let largest = zip(a.elements, b.elements).reduce(0) { max($0, abs(Double($1.0) - Double($1.1))) }
            #expect(largest <= bound * rms(b))
        }
    }

    @Test("logits agree to 1e-5 of their rms, input gradients to a cosine of 0.9999", arguments: cases)
    func ordinaryNetwork(_ test: NetworkCase) throws {
        // Of a DenseNet twice the width, so that it has convolutions that fast arithmetic is for.
        let subject = try TestNetwork(test, width: test.architecture == .denseNet ? 32 : 16)
        let x = subject.shards([4, 0, 3])
        let plain = try subject.inputGradient(x, subject.pass(.running))
        let folded = try subject.inputGradient(x, subject.pass(.running, folds: true))
        expectSameLogits(folded.logits, plain.logits, 1e-5)
        for shard in [0, 2] {
            #expect(cosine(folded.gradient[shard].toArray(), plain.gradient[shard].toArray()) >= 0.9999)
        }
        // Fast arithmetic: F(4×4) transforms amplify rounding by about ten.
        subject.arithmetic = .fast
        let fast = try subject.inputGradient(x, subject.pass(.running, folds: true))
        expectSameLogits(fast.logits, plain.logits, 1e-4)
        #expect(fast.logits[0].toArray() != folded.logits[0].toArray())
    }

    @Test("input gradients agree to 1e-5 where no unit switches", arguments: cases)
    func smoothNetwork(_ test: NetworkCase) throws {
        let subject = try TestNetwork(test, width: 16, shift: 4)
        let x = subject.shards([7])
        let plain = try subject.inputGradient(x, subject.pass(.running))
        let folded = try subject.inputGradient(x, subject.pass(.running, folds: true))
        expectSameLogits(folded.logits, plain.logits, 1e-5)
        #expect(distance(folded.gradient[0].toArray(), plain.gradient[0].toArray()) <= 1e-5)
    }

    @Test(
        "the fold follows weights and statistics, and unfolded passes in between", arguments: [Arithmetic.fast, .exact])
    func foldsFollowChanges(_ arithmetic: Arithmetic) throws {
        let subject = try TestNetwork(NetworkCase(kind: .conv), width: 16)
        subject.arithmetic = arithmetic
        let x = [subject.images]
        func compare() throws -> [Float] {
            let folded = try subject.inputGradient(x, subject.pass(.running, folds: true))
            let plain = try subject.inputGradient(x, subject.pass(.running))
            expectSameLogits(folded.logits, plain.logits, 1e-4)
            #expect(
                try subject.inputGradient(x, subject.pass(.running, folds: true)).logits[0].toArray()
                    == folded.logits[0].toArray())
            return plain.logits[0].toArray()
        }
        let first = try compare()
        subject.parameters.update { for index in $0.values.indices { $0.values[index] *= 1.05 } }
        let second = try compare()
        #expect(first != second)
        // A training pass moves the statistics.
        _ = try subject.forward(x, subject.pass(.local))
        #expect(try compare() != second)
    }

    @Test("a cache without room gives the same results")
    func cacheWithoutRoom() throws {
        let subject = try TestNetwork(NetworkCase(kind: .block, gate: .renormalised), width: 16)
        subject.arithmetic = .fast
        let cached = try subject.inputGradient([subject.images], subject.pass(.running, folds: true))
        var pass = subject.pass(.running, folds: true)
        pass.filters = FilterCache(capacityMegabytes: 0)
        let uncached = try subject.inputGradient([subject.images], pass)
        #expect(uncached.logits[0].toArray() == cached.logits[0].toArray())
        #expect(uncached.gradient[0].toArray() == cached.gradient[0].toArray())
        #expect(pass.filters.bytes == 0)
        #expect(subject.filters.bytes > 0)
    }
}
