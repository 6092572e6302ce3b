import Networks
import TestSupport
import Testing

@testable import Configuration
@testable import Files
@testable import Weights

@Suite("Damaged names and shapes of tensors")
struct TensorNameFuzzTests {
    /// Names and shapes as a text, a line a tensor, such as `fc.weight:10,512`.
    private func text(_ shapes: [String: [Int]]) -> [UInt8] {
        let lines = shapes.sorted { $0.key < $1.key }.map { name, shape in
            "\(name):\(shape.map(String.init).joined(separator: ","))"
        }
        return Array(lines.joined(separator: "\n").utf8)
    }

    private func shapes(_ text: [UInt8]) -> [String: [Int]] {
        var shapes: [String: [Int]] = [:]
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let numbers = parts.count == 2 ? parts[1].split(separator: ",").compactMap { Int($0) } : []
            // A header holds no negative extents.
            shapes[String(parts[0])] = numbers.map { max(0, $0 == .min ? 0 : $0) }
        }
        return shapes
    }

    private static let subjects = [
        ["model.width=4"], ["model.width=4", "moe.kind=conv"],
        ["model.width=4", "moe.kind=block", "moe.router=double-conv-gap", "moe.router_kernel=1"],
        ["model.width=4", "moe.kind=channel"], ["model.architecture=resnet50", "model.width=4"],
        ["model.architecture=wrn-16-4", "model.width=8", "moe.kind=channel"],
        ["model.architecture=vgg16", "model.width=4"], ["model.architecture=densenet40", "model.width=8"],
    ]

    @Test("signatures are read off names and shapes changed anywhere, or refused")
    func signatures() throws {
        let good = try Self.subjects.map { settings in
            let slots = try ConversionSubject("", settings, has: []).network().parameters.slots
            return text(Dictionary(uniqueKeysWithValues: slots.map { ($0.name, $0.layout.shape) }))
        }
        var mutation = Mutation(seed: 1)
        var known = 0
        for index in 0..<Mutation.inputs {
            let shapes = shapes(mutation.mutate(good[index % good.count]))
            do throws(RunError) {
                let signature = try signature(shapes)
                known += 1
                do {
                    let slots = try Network.slots(signature.networkSettings)
                    #expect(slots.reduce(0) { $0 + $1.count } <= NetworkLimits.elements)
                } catch { #expect(error is NetworkError) }
                let layer = signature.configurationLayer(origin: "file")
                do throws(ConfigurationError) { _ = try RunConfiguration.resolve(layers: [layer]) } catch {
                    #expect(!error.issues.contains { $0.kind == .unreadable }, "\(error)")
                }
            } catch { #expect(error.exitStatus == .checkpoint) }
        }
        #expect(known > 0 && known < Mutation.inputs)
    }

    private func signature(_ shapes: [String: [Int]]) throws(RunError) -> ModelSignature {
        do { return try ModelSignature(shapes, path: "file") } catch let error as RunError { throw error } catch {
            fatalError("\(error)")
        }
    }

    @Test("networks are filled from tensors whose names and shapes changed anywhere, or what does not fit is told")
    func loading() throws {
        let network = try TinyNetwork.make()
        let own = ModelTensors.tensors(network)
        let good = text(Dictionary(uniqueKeysWithValues: own.map { ($0.name, $0.shape) }))
        let values = Dictionary(uniqueKeysWithValues: own.map { ($0.name, $0.values) })
        var mutation = Mutation(seed: 2)
        for _ in 0..<Mutation.inputs {
            var tensors: [String: NamedTensor] = [:]
            for (name, shape) in shapes(mutation.mutate(good)) {
                let kept = values[name] ?? .int64([.max])
                let fits = kept.count == elementCount(of: shape)
                tensors[name] = NamedTensor(name: name, shape: fits ? shape : [kept.count], values: kept)
            }
            do {
                try ModelTensors.load(ExpertFilling.fill(tensors, for: network) ?? tensors, into: network, from: "file")
            } catch { #expect((error as? RunError)?.exitStatus == .checkpoint) }
        }
    }

    @Test("layouts' names changed anywhere are translated or left as they are")
    func layouts() throws {
        let names = try ConversionSubject("", ["model.width=4", "moe.kind=block"], has: []).network().parameters.slots
            .map(\.name)
        var mutation = Mutation(seed: 3)
        for index in 0..<Mutation.inputs {
            let layout = CheckpointLayout.allCases[index % CheckpointLayout.allCases.count]
            let text = mutation.mutate(Array(names.joined(separator: "\n").utf8))
            let changed = Set(String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init))
            #expect(Set(layout.ownNames(changed).keys).isSuperset(of: changed))
            #expect(Set(layout.foreignNames(changed, stem: .cifar).keys).isSuperset(of: changed))
        }
    }
}
