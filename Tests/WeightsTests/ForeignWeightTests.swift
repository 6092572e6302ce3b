import Datasets
import Networks
import TestSupport
import Testing

@testable import Configuration
@testable import Files
@testable import Runs
@testable import Weights

@Suite("Files of weights from elsewhere")
struct ForeignWeightTests {
    private let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    private func dictionary(_ tensors: [NamedTensor]) -> [String: NamedTensor] {
        Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) })
    }

    private func network(_ settings: String..., seed: UInt64 = 3) throws -> Network {
        try ConversionSubject("", ["model.width=4"] + settings, has: []).network(seed: seed)
    }

    private func write(_ tensors: some Collection<NamedTensor>) throws -> String {
        try SafetensorsFile.write(Array(tensors), to: scratch("file"))
        return scratch("file")
    }

    private func refusal(_ tensors: [String: [Int]]) throws -> String {
        let error = #expect(throws: RunError.self) { try ModelSignature(tensors, path: "file") }
        #expect(error?.exitStatus == .checkpoint)
        return "\(try #require(error))"
    }

    @Test("indices in names that count more tensors than there are, or none, are refused with the name")
    func indices() throws {
        let dense = try network().parameters.slots
        let shapes = Dictionary(uniqueKeysWithValues: dense.map { ($0.name, $0.layout.shape) })
        for index in ["9223372036854775807", "-1", "-9223372036854775808", "123"] {
            for name in ["layer4.0.conv1.experts.\(index).weight", "layer4.\(index).conv1.weight"] {
                let text = try refusal(shapes.merging([name: [4, 4, 3, 3]]) { $1 })
                #expect(text.contains("tensor \(name) has the index \(index), expected one from 0 to 122"), "\(text)")
            }
        }
        // A stage's number is no index: any number is another stage.
        let stages = try refusal(shapes.merging(["layer9223372036854775807.0.conv1.weight": [4]]) { $1 })
        #expect(stages.contains("found stages of [2, 2, 2, 2, 1]"))
        let many = (0..<100).map { ("layer\($0).0.conv1.weight", [4]) }
        #expect(try refusal(shapes.merging(many) { $1 }).contains("more than 16 stages"))
        let named = try refusal(shapes.merging(["layer4.0.conv1], experts: [5.experts.0.weight": [4]]) { $1 })
        #expect(named.contains("in a layer called layer4.0.conv1], experts: [5, expected a path"))
    }

    @Test("shapes of no elements, or of more than any, are refused before they are reckoned with")
    func extents() throws {
        let dense = try network().parameters.slots
        let shapes = Dictionary(uniqueKeysWithValues: dense.map { ($0.name, $0.layout.shape) })
        for name in ["conv1.weight", "layer1.0.bn2.weight", "layer4.1.bn2.weight", "fc.weight"] {
            for shape in [[Int.max, 0, 1, 1], [1 << 62, 0], [0], [1 << 31, 1, 1, 1]] {
                let text = try refusal(shapes.merging([name: shape]) { $1 })
                #expect(text.contains("tensor \(name) has shape \(shape), expected extents from 1 to"), "\(text)")
            }
        }
        #expect(try refusal(shapes.merging(["fc.weight": [1 << 29, 32]]) { $1 }).contains("536870912 for classes"))
        var wide = shapes
        for name in wide.keys { wide[name] = wide[name]?.map { $0 > 3 && $0 != 100 ? $0 << 12 : $0 } }
        #expect(try refusal(wide).contains("for width, expected from 1 to 8192"))
    }

    @Test("a count of batches that no Float brings back is refused")
    func counters() throws {
        let network = try network()
        var tensors = dictionary(ModelTensors.tensors(network))
        for count in [Int64.max, -1, .min] {
            tensors["bn1.num_batches_tracked"] = NamedTensor(
                name: "bn1.num_batches_tracked", shape: [], values: .int64([count]))
            #expect {
                try ModelTensors.load(tensors, into: network, from: "file")
            } throws: { "\($0)".contains("bn1.num_batches_tracked is [\(count)], expected from 0 to 9007199254740992") }
        }
    }

    @Test("counters that a file leaves out are 0, and nothing else may be left out")
    func missingCounters() throws {
        let source = try network(seed: 1)
        var tensors = dictionary(ModelTensors.tensors(source))
        for name in tensors.keys where name.hasSuffix("num_batches_tracked") { tensors[name] = nil }
        let target = try network(seed: 2)
        try WeightFile(try write(tensors.values), layout: .robustmoe).load(into: target)
        for slot in target.parameters.slots {
            let values = Array(target.parameters.values(of: slot))
            let expected = slot.layout == .counter ? [0] : Array(source.parameters.values(of: slot))
            #expect(values == expected, "\(slot.name)")
        }
        tensors["bn1.running_mean"] = nil
        let path = try write(tensors.values)
        #expect {
            try WeightFile(path, layout: .robustmoe).load(into: target)
        } throws: { "\($0)".contains("expected a tensor bn1.running_mean of shape [4], found none") }
    }

    @Test("what a file says images are normalised by is compared, whatever its layout stores")
    func normalization() throws {
        let source = try network(seed: 1)
        var tensors = dictionary(ModelTensors.tensors(source))
        let target = try network(seed: 2)
        try WeightFile(try write(tensors.values), layout: .torchvision).load(into: target)
        #expect(Array(target.parameters.values) == Array(source.parameters.values))
        tensors["normalize.mean"] = NamedTensor(name: "normalize.mean", shape: [3], values: .float([0.5, 0.5, 0.5]))
        let path = try write(tensors.values)
        #expect {
            try WeightFile(path, layout: .torchvision).load(into: target)
        } throws: { "\($0)".contains("normalize.mean is [0.5, 0.5, 0.5], this run normalises with") }
    }

    @Test(
        "a dense network fills every expert, and routers keep their first values",
        arguments: ["moe.kind=conv", "moe.kind=block", "moe.kind=channel"])
    func experts(kind: String) throws {
        let dense = try network(seed: 1)
        let mixture = try network(kind, "moe.router=conv-gap", "moe.experts=3", seed: 2)
        let first = dictionary(ModelTensors.tensors(mixture))
        let source = dictionary(ModelTensors.tensors(dense))
        let filled = try #require(ExpertFilling.fill(source, for: mixture))
        try ModelTensors.load(filled, into: mixture, from: "dense")
        var experts = 0
        for tensor in ModelTensors.tensors(mixture) {
            let slot = mixture.parameters.slots.first { $0.name == tensor.name }
            if slot?.group == .router {
                #expect(tensor == first[tensor.name])
            } else if case .slabs? = slot?.layout, case .float(let values)? = source[tensor.name]?.values {
                experts += 1
                #expect(tensor.values == .float(values + values + values))
            } else if let owner = slot?.owner {
                experts += 1
                let name = tensor.name.replacing(".experts.\(owner.expert).", with: ".")
                #expect(tensor.values == source[name]?.values, "\(name)")
            } else {
                #expect(tensor == source[tensor.name])
            }
        }
        #expect(experts >= 5)
        // Nothing is filled from a mixture, nor into a dense network.
        #expect(ExpertFilling.fill(dictionary(ModelTensors.tensors(mixture)), for: mixture) == nil)
        #expect(ExpertFilling.fill(source, for: dense) == nil)
    }
}
