import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("finite tensors")
struct FiniteTensorsTests {
    private let tensors = [
        NamedTensor(
            name: "layer4.0.conv1.experts.2.weight", shape: [2, 3], values: .float([1, 2, .nan, 3, .infinity, 4])),
        NamedTensor(name: "layer4.1.bn1.running_var", shape: [1], values: .float([-.infinity])),
        NamedTensor(name: "fc.weight", shape: [2], values: .float([1, .greatestFiniteMagnitude])),
        NamedTensor(name: "bn1.num_batches_tracked", shape: [], values: .int64([3])),
    ]

    @Test("A tensor that is not finite is named, with how many values and the first of them")
    func message() throws {
        let all = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) })
        let error = #expect(throws: RunError.self) { try all.requireFinite("model.safetensors") }
        let text = "\(try #require(error))"
        #expect(
            text.hasPrefix("model.safetensors: 2 of the 6 values of layer4.0.conv1.experts.2.weight are not finite"))
        #expect(text.contains("the first is nan at index 2") && text.contains("1 more tensors are"))
        #expect(try #require(error).exitStatus == .numerical)
        try all.filter { ["fc.weight", "bn1.num_batches_tracked"].contains($0.key) }.requireFinite("model.safetensors")
    }

    @Test("Every file of a checkpoint is looked at when it is read")
    func checkpoint() throws {
        let scratch = try ScratchFolder()
        let store = CheckpointStore(directory: scratch("checkpoints"))
        let checkpoint = try store.write(
            step: 3,
            files: [
                CheckpointFile(name: Checkpoint.modelFile, tensors: [tensors[2]]),
                CheckpointFile(name: Checkpoint.stateFile, tensors: [tensors[1]]),
            ])
        #expect(try checkpoint.tensors(in: Checkpoint.modelFile).count == 1)
        #expect { _ = try checkpoint.tensors(in: Checkpoint.stateFile) } throws: {
            "\($0)".contains("\(Checkpoint.stateFile): 1 of the 1 values of layer4.1.bn1.running_var")
        }
    }
}
