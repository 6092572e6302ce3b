import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("Damaged files of tensors and checkpoints")
struct SafetensorsFuzzTests {
    private let scratch: ScratchFolder
    private let tensors: [NamedTensor]

    init() throws {
        scratch = try ScratchFolder()
        tensors = [
            NamedTensor(name: "conv1.weight", shape: [2, 1, 3, 3], values: .float((0..<18).map(Float.init))),
            NamedTensor(name: "layer1.0.bn1.num_batches_tracked", shape: [], values: .int64([7])),
            NamedTensor(name: "fc.bias", shape: [3], values: .float([1, -2, .infinity])),
        ]
    }

    /// Reads a file that may be damaged; what it gives is no more than what is in it.
    private func read(_ bytes: [UInt8]) throws {
        try scratch.write(bytes, to: "file")
        do throws(FileFormatError) {
            let tensors = try SafetensorsFile.read(scratch("file"))
            // Two bytes of half precision become four.
            #expect(tensors.values.reduce(0) { $0 + $1.values.count * $1.values.type.bytes } <= 2 * bytes.count)
            let kinds = try SafetensorsFile.kinds(scratch("file"))
            #expect(kinds == tensors.mapValues { SafetensorsFile.Kind(type: $0.values.type, shape: $0.shape) })
        } catch {
            #expect(error.description.printableLine == error.description)
        }
    }

    @Test("bytes changed anywhere in a file are read or refused")
    func anywhere() throws {
        try SafetensorsFile.write(tensors, to: scratch("good"))
        let good = Array(try Data(contentsOf: URL(fileURLWithPath: scratch("good"))))
        var mutation = Mutation(seed: 1)
        for _ in 0..<Mutation.inputs { try read(mutation.mutate(good)) }
    }

    @Test("headers changed anywhere, with their right length, are read or refused")
    func headers() throws {
        let types = ["F32", "F16", "BF16", "F64", "I64"]
        let entries = types.enumerated().map { index, type in
            #""t\#(index)":{"dtype":"\#(type)","shape":[2,2],"data_offsets":[\#(32 * index),\#(32 * index + 32)]}"#
        }
        let good = Array("{\(entries.joined(separator: ",")),\"__metadata__\":{\"a\":\"\\u00e9\"}}".utf8)
        var mutation = Mutation(seed: 2)
        for _ in 0..<Mutation.inputs {
            let header = mutation.mutate(good)
            let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
            try read(length + header + [UInt8](repeating: 0x3C, count: 160))
        }
    }

    @Test("manifests changed anywhere are read or refused, and name no file elsewhere")
    func manifests() throws {
        let digest = FileDigest(bytes: 5, sha256: String(repeating: "a", count: 64))
        let good = try CheckpointManifest(step: 7, files: ["model.safetensors": digest, "state.json": digest]).json()
        var mutation = Mutation(seed: 3)
        for _ in 0..<Mutation.inputs {
            try scratch.write(mutation.mutate(Array(good.utf8)), to: "manifest.json")
            do throws(CheckpointError) {
                let manifest = try CheckpointManifest.read(from: scratch.path)
                #expect(manifest.step >= 0 && manifest.files.allSatisfy { FileSystem.isPlainName($0.name) })
                _ = try Checkpoint.verify(scratch.path)
            } catch {
                #expect(error.description.printableLine == error.description)
            }
        }
    }

    @Test("pointers to checkpoints changed anywhere are followed or refused")
    func pointers() throws {
        let store = CheckpointStore(directory: scratch.path)
        var mutation = Mutation(seed: 4)
        for _ in 0..<Mutation.inputs {
            try scratch.write(mutation.mutate(Array("step-00000007\n".utf8)), to: "latest")
            #expect(throws: CheckpointError.self) {
                _ = try Checkpoint.verify(try CheckpointStore.locate(scratch.path))
            }
            _ = try store.latestWhole()
        }
    }
}
