import Networks
import TestSupport
import Tensors
import Testing

@testable import Training

@Suite("gradients on the wire")
struct GradientWireTests {
    @Test("bf16 rounds to nearest, ties to even, and keeps what is not finite")
    func rounding() {
        for (value, expected) in [
            (1, 1), (1 + 0x1p-8, 1), (1 + 3 * 0x1p-8, 1 + 0x1p-6), (1 + 0x1p-8 + 0x1p-20, 1 + 0x1p-7),
            (-1 - 0x1p-8, -1),
            (0x1p-140, 0x1p-140 - 0x1p-140), (.infinity, .infinity), (.greatestFiniteMagnitude, .infinity),
        ] as [(Float, Float)] where value.magnitude >= 0x1p-126 {
            #expect(BFloat16Codec.value(BFloat16Codec.rounded(value)) == expected, "\(value)")
        }
        #expect(BFloat16Codec.value(BFloat16Codec.rounded(.nan)).isNaN)
        #expect(BFloat16Codec.value(BFloat16Codec.rounded(Float(bitPattern: 0x7F80_0001))).isNaN)
    }

    /// What is read of values that were written at the beginning of the arena.
    private func read(_ codec: any GradientWireCodec, _ values: [Float], from start: Int = 0) -> [Float] {
        let range = start..<start + values.count
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: codec.size(of: range))
        defer { bytes.deallocate() }
        codec.encode(values, range, into: bytes, isSum: false)
        var result = [Float](repeating: .nan, count: values.count)
        codec.decode(bytes, range, into: &result)
        return result
    }

    @Test("bytes are right on average, and never off by more than a step of their parameter's norm")
    func unbiased() throws {
        let parameters = try TinyNetwork.make().parameters
        let codec = StochasticByteCodec(parameters, seed: 3, rank: 1)
        let slot = try #require(parameters.slots.first { $0.name == "conv1.weight" })
        let values = (0..<slot.count).map { Float(($0 * 37) % 23 - 11) / 16 }
        let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let rounds = 10_000
        var sums = [Double](repeating: 0, count: values.count)
        for round in 0..<rounds {
            codec.begin(step: round, update: 0)
            let found = read(codec, values, from: slot.offset)
            for index in values.indices {
                #expect(abs(found[index] - values[index]) <= norm / 127 * 1.0001)
                sums[index] += Double(found[index])
            }
        }
        // Five deviations of a mean of draws that are one step apart at most.
        let bound = 5 * 0.5 * Double(norm / 127) / Double(rounds).squareRoot()
        for index in values.indices {
            #expect(abs(sums[index] / Double(rounds) - Double(values[index])) <= bound, "element \(index)")
        }
    }

    /// ‖Σ of what is read − Σ of what was written‖ after some updates with the same values, and the norm of one of these.
    private func shortfall(_ codec: any GradientWireCodec, _ values: [Float], updates: Int) -> (Double, norm: Double) {
        var sums = [Double](repeating: 0, count: values.count)
        for step in 0..<updates {
            codec.begin(step: step, update: 0)
            for (index, found) in read(codec, values).enumerated() { sums[index] += Double(found - values[index]) }
        }
        func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        return (norm(sums), norm(values.map(Double.init)))
    }

    @Test(
        "with feedback all updates together are short of no more than one is, and of what is kept",
        arguments: [GradientWire.bfloat16, .int8])
    func feedback(_ wire: GradientWire) throws {
        let parameters = try TinyNetwork.make().parameters
        let count = parameters.parameterCount
        // A third of these is halfway between two numbers of bf16, and rounds the same way every time.
        let values: [Float] = (0..<count).map { index in
            if index % 3 == 0 { return 1 + 0x1p-8 }
            return Float((index * 37) % 23 - 11) / 16
        }
        func codec(feedsBack: Bool) throws -> any GradientWireCodec {
            let plain = try #require(wire.codec(parameters, seed: 3, rank: 0, feedsBack: feedsBack))
            return feedsBack ? ErrorFeedbackCodec(plain, count: count) : plain
        }
        let (once, norm) = shortfall(try codec(feedsBack: false), values, updates: 1)
        let without = shortfall(try codec(feedsBack: false), values, updates: 100).0
        #expect(without > (wire == .int8 ? 8 : 90) * once, "\(without) after 100, \(once) after one")
        let fed = try codec(feedsBack: true)
        let with = shortfall(fed, values, updates: 100).0
        #expect(with < 0.02 * norm && with < 0.05 * without, "\(with) with feedback, \(without) without")
        let kept = try #require(fed as? ErrorFeedbackCodec).residual.reduce(0.0) { $0 + Double($1) * Double($1) }
        #expect(abs(kept.squareRoot() - with) < 1e-3 * norm)
    }

    @Test("what is not finite is not hidden by a norm that is the largest magnitude")
    func notFinite() throws {
        let parameters = try TinyNetwork.make().parameters
        let codec = StochasticByteCodec(parameters, seed: 3, rank: 0, norm: .largest)
        var values = [Float](repeating: 1, count: parameters.parameterCount)
        values[1] = .nan
        codec.begin(step: 0, update: 0)
        #expect(read(codec, values)[0].isNaN)
    }

    @Test("every parameter has its own norm; the same update draws the same numbers")
    func pieces() throws {
        let parameters = try TinyNetwork.make().parameters
        let codec = StochasticByteCodec(parameters, seed: 3, rank: 0)
        let slots = parameters.slots.filter { !$0.isStatistic }
        var values = [Float](repeating: 0, count: parameters.parameterCount)
        for index in slots[0].range { values[index] = Float(index % 5) - 2 }
        for index in slots[1].range { values[index] = 1e-6 * (Float(index % 3) + 1) }
        codec.begin(step: 1, update: 0)
        let found = read(codec, values)
        #expect(slots[1].range.allSatisfy { found[$0] > 0 }, "a small parameter is lost beside a large one")
        #expect(slots.dropFirst(2).allSatisfy { slot in slot.range.allSatisfy { found[$0] == 0 } })
        #expect(read(codec, values) == found)
        codec.begin(step: 1, update: 1)
        #expect(read(codec, values) != found)
        values[slots[0].offset] = .infinity
        #expect(read(codec, values)[slots[0].offset].isNaN)
        for index in slots[0].range { values[index] = index % 2 == 0 ? 0 : Float(bitPattern: 700) }
        let least = read(codec, values)
        #expect(slots[0].range.allSatisfy { least[$0] == 0 })
    }
}
