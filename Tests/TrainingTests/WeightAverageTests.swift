import TestSupport
import Testing

@testable import Training

@Suite("weight averages")
struct WeightAverageTests {
    @Test("An average approaches weights and statistics by its share, and counts as the weights do")
    func formula() throws {
        let network = try TinyNetwork.make()
        let parameters = network.parameters
        func fill(_ value: Float, statistics: Float) {
            parameters.update {
                $0.values.update(repeating: value)
                $0.statistics.update(repeating: statistics)
            }
        }
        fill(1, statistics: 2)
        let average = WeightAverage(decay: 0.75, parameters)
        fill(5, statistics: 6)
        average.update(parameters)
        average.update(parameters)
        let version = parameters.version
        average.withAverages(in: network) {
            #expect(parameters.version > version, "prepared filters would be stale")
            for slot in parameters.slots {
                // 1, then 2, then 2.75; 2, then 3, then 3.75.
                let expected: Float = slot.layout == .counter ? 6 : slot.isStatistic ? 3.75 : 2.75
                #expect(parameters.values(of: slot).allSatisfy { $0 == expected }, "\(slot.name)")
            }
        }
        #expect(parameters.values.allSatisfy { $0 == 5 } && parameters.statistics.allSatisfy { $0 == 6 })
        #expect(parameters.version > version + 1)
    }

    @Test("Averages come back from a checkpoint's tensors, as averages and in place of the weights")
    func tensors() throws {
        let network = try TinyNetwork.make()
        let average = WeightAverage(decay: 0.5, network.parameters)
        let weights = Array(network.parameters.values)
        network.parameters.update { for index in $0.values.indices { $0.values[index] += 1 } }
        average.update(network.parameters)
        let list = average.tensors(network)
        #expect(list.allSatisfy { $0.name.hasSuffix(".average") })
        #expect(!list.contains { $0.name.contains("num_batches_tracked") || $0.name.contains("normalize") })
        let tensors = Dictionary(list.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        #expect(WeightAverage.isIn(tensors) && !WeightAverage.isIn([:]))

        let other = try TinyNetwork.make(seed: 2)
        let restored = WeightAverage(decay: 0.5, other.parameters)
        let before = Array(other.parameters.values)
        try restored.restore(tensors, other, from: "state")
        #expect(Array(other.parameters.values) == before)
        #expect(restored.tensors(other) == list)
        try WeightAverage.load(tensors, into: other, from: "state")
        let slot = try #require(other.parameters.slots.first { $0.name == "fc.weight" })
        // Half of w and half of w + 1, up to rounding.
        #expect(abs(other.parameters.values[slot.offset] - weights[slot.offset] - 0.5) < 1e-6)
        var fewer = tensors
        fewer["fc.weight.average"] = nil
        #expect { try restored.restore(fewer, other, from: "state") } throws: { "\($0)".contains("fc.weight") }
    }
}
