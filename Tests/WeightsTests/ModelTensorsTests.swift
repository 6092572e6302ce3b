import Networks
import TestSupport
import Testing

@testable import Files
@testable import Training
@testable import Weights

@Suite("model tensors")
struct ModelTensorsTests {
    private func slot(_ name: String, _ network: Network) throws -> Slot {
        try #require(network.parameters.slots.first { $0.name == name })
    }

    private func dictionary(_ tensors: [NamedTensor]) -> [String: NamedTensor] {
        Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) })
    }

    private func floats(_ tensor: NamedTensor?) throws -> [Float] {
        guard case .float(let values) = try #require(tensor).values else {
            Issue.record("expected floats")
            return []
        }
        return values
    }

    @Test("Filters stand as OIHW, matrices as [outputs, inputs], counters as integers")
    func layouts() throws {
        let network = try TinyNetwork.make()
        let parameters = network.parameters
        // In memory: 100·(row·3 + column) + 10·input + output.
        try parameters.update {
            let filter = $0.values(of: try slot("conv1.weight", network))
            for place in filter.indices {
                let (tap, input, output) = (place / 8, place / 4 % 2, place % 4)
                filter[place] = Float(100 * tap + 10 * input + output)
            }
            let matrix = $0.values(of: try slot("fc.weight", network))
            for place in matrix.indices { matrix[place] = Float(10 * (place / 3) + place % 3) }
            $0.values(of: try slot("bn1.num_batches_tracked", network))[0] = 41
        }
        let tensors = dictionary(ModelTensors.tensors(network))
        #expect(tensors["conv1.weight"]?.shape == [4, 2, 3, 3])
        let outside = try floats(tensors["conv1.weight"])
        for (output, input, tap) in [(0, 0, 0), (3, 1, 8), (2, 0, 5), (1, 1, 3)] {
            #expect(outside[(output * 2 + input) * 9 + tap] == Float(100 * tap + 10 * input + output))
        }
        #expect(tensors["fc.weight"]?.shape == [3, 8])
        #expect(try floats(tensors["fc.weight"])[2 * 8 + 5] == 52)
        #expect(
            tensors["bn1.num_batches_tracked"]
                == NamedTensor(name: "bn1.num_batches_tracked", shape: [], values: .int64([41])))
        #expect(try floats(tensors["normalize.mean"]) == [0.5, 0.25])
        #expect(try floats(tensors["normalize.std"]) == [1, 2])
        #expect(tensors["layer2.0.conv1.experts.1.weight"]?.shape == [8, 4, 3, 3])
        #expect(tensors["layer2.0.conv1.router.weight"]?.shape == [2, 4])
        #expect(tensors.count == parameters.slots.count + 2)
    }

    @Test("A model comes back bit for bit, and prepared filters become stale")
    func roundTrip() throws {
        let (first, second) = (try TinyNetwork.make(seed: 1), try TinyNetwork.make(seed: 2))
        for (place, slot) in first.parameters.slots.enumerated() where slot.isStatistic {
            first.parameters.update { $0.values(of: slot).update(repeating: Float(place)) }
        }
        let version = second.parameters.version
        try ModelTensors.load(dictionary(ModelTensors.tensors(first)), into: second, from: "model")
        for slot in first.parameters.slots {
            #expect(
                Array(first.parameters.values(of: slot)) == Array(second.parameters.values(of: slot)), "\(slot.name)")
        }
        #expect(second.parameters.version > version)
    }

    @Test("Momentum comes back bit for bit, under its suffix")
    func momentum() throws {
        let network = try TinyNetwork.make()
        let first = StochasticGradientDescent(.init(), network.parameters)
        for index in first.momentum.indices { first.momentum[index] = Float(index) }
        let tensors = ModelTensors.tensors(network, arena: first.momentum, suffix: "momentum")
        #expect(tensors.first?.name == "conv1.weight.momentum" && tensors.first?.shape == [4, 2, 3, 3])
        #expect(!tensors.contains { $0.name.contains("running") })
        let second = StochasticGradientDescent(.init(), network.parameters)
        try ModelTensors.load(
            dictionary(tensors), suffix: "momentum", into: second.momentum, network, from: "optimizer")
        for slot in network.parameters.slots where !slot.isStatistic {
            #expect(first.momentum[slot.range].elementsEqual(second.momentum[slot.range]), "\(slot.name)")
        }
    }

    /// Loads what `change` makes of a model's tensors and returns what the error says.
    private func complaint(
        about change: (inout [String: NamedTensor]) -> Void
    ) throws -> String {
        let network = try TinyNetwork.make()
        let before = Array(network.parameters.values)
        var tensors = dictionary(ModelTensors.tensors(try TinyNetwork.make(seed: 9)))
        change(&tensors)
        let error = #expect(throws: RunError.self) { try ModelTensors.load(tensors, into: network, from: "file") }
        #expect(ExitStatus(try #require(error)) == .checkpoint)
        #expect(Array(network.parameters.values) == before, "the model was changed by what does not fit")
        return "\(try #require(error))"
    }

    @Test("What does not fit is an error that names the first tensor and both shapes, and changes nothing")
    func misfits() throws {
        let missing = try complaint { $0["layer1.0.bn1.bias"] = nil }
        #expect(missing.contains("file: expected a tensor layer1.0.bn1.bias of shape [4], found none"))
        let extra = try complaint {
            $0["layer9.weight"] = NamedTensor(name: "layer9.weight", shape: [1], values: .float([0]))
        }
        #expect(extra.contains("file: found a tensor layer9.weight that this model does not have"))
        // The first in the model's order, not in the alphabet's: fc comes last.
        let shapes = try complaint {
            for name in ["fc.weight", "layer2.0.conv1.experts.0.weight"] {
                $0[name] = NamedTensor(name: name, shape: [2, 3], values: .float([1, 2, 3, 4, 5, 6]))
            }
        }
        #expect(shapes.contains("file: layer2.0.conv1.experts.0.weight has shape [2, 3], this model has [8, 4, 3, 3]"))
        let normalization = try complaint {
            $0["normalize.std"] = NamedTensor(name: "normalize.std", shape: [2], values: .float([1, 3]))
        }
        #expect(normalization.contains("normalize.std is [1.0, 3.0], this run normalises with [1.0, 2.0]"))
        let type = try complaint {
            $0["bn1.bias"] = NamedTensor(name: "bn1.bias", shape: [4], values: .int64([1, 2, 3, 4]))
        }
        #expect(type.contains("bn1.bias is stored as int64") && type.contains("expected float32"))
    }

    @Test("Networks of other widths and classes are told apart by the first tensor that differs")
    func otherArchitectures() throws {
        let wide = dictionary(ModelTensors.tensors(try TinyNetwork.make(width: 8)))
        #expect { try ModelTensors.load(wide, into: TinyNetwork.make(), from: "f") } throws: {
            "\($0)".contains("conv1.weight has shape [8, 2, 3, 3], this model has [4, 2, 3, 3]")
        }
        let classes = dictionary(ModelTensors.tensors(try TinyNetwork.make(classes: 7)))
        #expect { try ModelTensors.load(classes, into: TinyNetwork.make(), from: "f") } throws: {
            "\($0)".contains("fc.weight has shape [7, 8], this model has [3, 8]")
        }
    }
}
