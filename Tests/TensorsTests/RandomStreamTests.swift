import Testing

@testable import Tensors

@Suite("Random streams")
struct RandomStreamTests {
    @Test("Philox4x32-10 gives the published known answers")
    func knownAnswers() {
        #expect(
            RandomStream.philox(SIMD4(0, 0, 0, 0), SIMD2(0, 0))
                == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
        let ones = UInt32.max
        #expect(
            RandomStream.philox(SIMD4(ones, ones, ones, ones), SIMD2(ones, ones))
                == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    }

    @Test("streams differ in seed, purpose, step and index, and repeat otherwise")
    func streamsAreDistinct() {
        func first(_ seed: UInt64, _ purpose: RandomPurpose, _ step: Int, _ index: Int) -> UInt64 {
            var stream = RandomStream(seed: seed, purpose: purpose, step: step, index: index)
            return stream.next()
        }
        let values = [
            first(1, .shuffle, 0, 0), first(2, .shuffle, 0, 0), first(1, .augmentation, 0, 0), first(1, .shuffle, 1, 0),
            first(1, .shuffle, 0, 1), first(1, .shuffle, 0, 1 << 40),
        ]
        #expect(Set(values).count == values.count)
        #expect(first(1, .shuffle, 0, 0) == values[0])
    }

    @Test("uniform and normal draws have their moments")
    func momentsAreRight() {
        var stream = RandomStream(seed: 9, purpose: .synthetic)
        let n = 200_000
        var mean = 0.0
        var normalMean = 0.0
        var normalSquares = 0.0
        for _ in 0..<n {
            let u = stream.uniform()
            #expect(u >= 0 && u < 1)
            mean += Double(u)
            let z = Double(stream.normal())
            normalMean += z
            normalSquares += z * z
        }
        // Five standard errors.
        #expect(abs(mean / Double(n) - 0.5) < 5 * 0.2887 / Double(n).squareRoot())
        #expect(abs(normalMean / Double(n)) < 5 / Double(n).squareRoot())
        #expect(abs(normalSquares / Double(n) - 1) < 5 * 1.414 / Double(n).squareRoot())
    }

    @Test("integers below a bound are uniform")
    func integersAreUniform() {
        var stream = RandomStream(seed: 3, purpose: .shuffle)
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<70_000 { counts[stream.integer(below: 7)] += 1 }
        for count in counts { #expect(abs(count - 10_000) < 500) }
    }

    @Test("a buffer is filled with what single draws give, from any place on", arguments: [0, 1, 4, 7])
    func filled(_ before: Int) {
        for count in [0, 1, 3, 31, 32, 33, 100, 131] {
            var (one, many) = (
                RandomStream(seed: 5, purpose: .wire, step: 3, index: 1 << 40),
                RandomStream(seed: 5, purpose: .wire, step: 3, index: 1 << 40)
            )
            for _ in 0..<before { #expect(one.nextWord() == many.nextWord()) }
            var words = [UInt32](repeating: 0, count: count)
            words.withUnsafeMutableBufferPointer { many.fill($0) }
            let singly = (0..<count).map { _ in one.nextWord() }
            #expect(words == singly)
            #expect(one.next() == many.next())
        }
    }
}
