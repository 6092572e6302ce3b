import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("checkpoints")
struct CheckpointStoreTests {
    let scratch: ScratchFolder
    let store: CheckpointStore

    init() throws {
        scratch = try ScratchFolder()
        store = CheckpointStore(directory: scratch("checkpoints"))
    }

    private func files(_ value: Float) -> [CheckpointFile] {
        [
            CheckpointFile(
                name: "model.safetensors",
                tensors: [NamedTensor(name: "w", shape: [300], values: .float(Array(repeating: value, count: 300)))]),
            CheckpointFile(name: "state.json", bytes: Data("{\"value\": \(value)}\n".utf8)),
        ]
    }

    private func path(_ step: Int, _ file: String? = nil) -> String {
        "checkpoints/" + CheckpointStore.name(ofStep: step) + (file.map { "/" + $0 } ?? "")
    }

    private func change(_ name: String, _ body: (inout Data) -> Void) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: scratch(name)))
        body(&data)
        try data.write(to: URL(fileURLWithPath: scratch(name)))
    }

    @Test("a checkpoint comes back whole, with the hashes that sha256sum gives")
    func roundTrip() throws {
        let written = try store.write(step: 123, files: files(1.5), best: true)
        #expect(try scratch.names(in: "checkpoints") == ["best", "latest", "step-00000123"])
        #expect(
            try scratch.names(in: "checkpoints/step-00000123") == ["manifest.json", "model.safetensors", "state.json"])
        #expect(try scratch.text("checkpoints/latest") == "step-00000123\n")
        #expect(try scratch.text("checkpoints/best") == "step-00000123\n")
        let read = try Checkpoint.verify(scratch(path(123)))
        #expect(read == written)
        #expect(read.step == 123)
        #expect(try read.tensors(in: "model.safetensors")["w"]?.values == .float(Array(repeating: 1.5, count: 300)))
        #expect(try read.data(in: "state.json") == Data("{\"value\": 1.5}\n".utf8))
        #expect(
            read.files["state.json"]
                == FileDigest(bytes: 15, sha256: "c3aee2895c3bba2b7eae53862f7b7b8393641a16476840b96174e52943d5de65"))
        #expect { _ = try read.tensors(in: "optimizer.safetensors") } throws: {
            "\($0)".contains("optimizer.safetensors: expected a file of the checkpoint")
        }
        #expect(try store.latestWhole().checkpoint == read)
        #expect(try store.latestWhole().skipped.isEmpty)
    }

    @Test("files are hashed through more than one buffer")
    func longFile() throws {
        var bytes = Data(repeating: 7, count: (1 << 20) + 5)
        let checkpoint = try store.write(step: 1, files: [CheckpointFile(name: "long", bytes: bytes)])
        #expect(try Checkpoint.verify(checkpoint.path) == checkpoint)
        bytes[(1 << 20) + 2] = 8
        try bytes.write(to: URL(fileURLWithPath: checkpoint.path + "/long"))
        #expect(throws: CheckpointError.self) { _ = try Checkpoint.verify(checkpoint.path) }
    }

    enum Damage: CaseIterable {
        case bitFlip, truncation, growth, missingFile, missingManifest, brokenManifest, flippedManifest, version, step
        case escapingName, hugeManifest

        var reason: String {
            switch self {
            case .bitFlip: "model.safetensors: expected SHA-256"
            case .truncation: "model.safetensors: expected 1304 bytes, found 1303"
            case .growth: "model.safetensors: expected 1304 bytes, found 1305"
            case .missingFile: "state.json: expected a file of 15 bytes, found no such file"
            case .missingManifest: "manifest.json: expected a manifest, found no such file"
            case .brokenManifest: "manifest.json: expected JSON with"
            case .flippedManifest: "expected SHA-256"
            case .version: "manifest.json: expected format version 1, found 2"
            case .step: "manifest.json: expected step 2, found 3"
            case .escapingName: "manifest.json: expected plain file names, each once, found ../state.json"
            case .hugeManifest: "manifest.json: expected at most 1048576 bytes"
            }
        }
    }

    @Test("a damaged checkpoint is refused with its reason, and the one before it is used", arguments: Damage.allCases)
    func damage(_ damage: Damage) throws {
        let first = try store.write(step: 1, files: files(1))
        try store.write(step: 2, files: files(2))
        func edit(_ text: String, _ replacement: String) throws {
            let manifest = try scratch.text(path(2, "manifest.json"))
            #expect(manifest.contains(text))
            try scratch.write(
                manifest.replacingOccurrences(of: text, with: replacement), to: path(2, "manifest.json"))
        }
        switch damage {
        case .bitFlip: try change(path(2, "model.safetensors")) { $0[$0.count - 9] ^= 4 }
        case .truncation: try change(path(2, "model.safetensors")) { $0.removeLast() }
        case .growth: try change(path(2, "model.safetensors")) { $0.append(0) }
        case .missingFile: try FileManager.default.removeItem(atPath: scratch(path(2, "state.json")))
        case .missingManifest: try FileManager.default.removeItem(atPath: scratch(path(2, "manifest.json")))
        case .brokenManifest: try change(path(2, "manifest.json")) { $0.removeLast(8) }
        case .flippedManifest:
            let digest = try Checkpoint.verify(scratch(path(2))).files["state.json"]?.sha256 ?? ""
            try edit(digest, String(digest.reversed()))
        case .version: try edit("\"format_version\" : 1", "\"format_version\" : 2")
        case .step: try edit("\"step\" : 2", "\"step\" : 3")
        case .escapingName: try edit("\"state.json\"", "\"../state.json\"")
        case .hugeManifest: try change(path(2, "manifest.json")) { $0.append(Data(count: 1 << 20)) }
        }
        #expect { _ = try Checkpoint.verify(scratch(path(2))) } throws: { error in
            if !"\(error)".contains(damage.reason) { Issue.record("\(damage): \(error)") }
            return error is CheckpointError
        }
        let (checkpoint, skipped) = try store.latestWhole()
        #expect(checkpoint == first)
        #expect(skipped.map(\.name) == ["step-00000002"])
        #expect(skipped.first?.reason.contains(damage.reason) == true)
    }

    @Test("without a whole checkpoint there is none, and each refusal is told")
    func noneWhole() throws {
        #expect(try store.latestWhole().checkpoint == nil)
        try store.write(step: 4, files: files(1))
        try change(path(4, "state.json")) { $0[0] ^= 1 }
        try FileManager.default.createDirectory(
            atPath: scratch("checkpoints/.partial-step-00000005"), withIntermediateDirectories: true)
        let (checkpoint, skipped) = try store.latestWhole()
        #expect(checkpoint == nil)
        #expect(skipped.map(\.name) == [".partial-step-00000005", "step-00000004"])
    }

    @Test("broken pointers do not hide whole checkpoints")
    func brokenPointers() throws {
        let first = try store.write(step: 1, files: files(1))
        let second = try store.write(step: 2, files: files(2))
        try scratch.write("../../elsewhere\n", to: "checkpoints/latest")
        #expect(try store.latestWhole().checkpoint == second)
        #expect(try store.latestWhole().skipped.map(\.name) == ["latest"])
        try FileManager.default.removeItem(atPath: scratch("checkpoints/latest"))
        #expect(try store.latestWhole().checkpoint == second)
        try scratch.write("step-00000002\n", to: "checkpoints/latest")
        try FileManager.default.removeItem(atPath: second.path)
        let (checkpoint, skipped) = try store.latestWhole()
        #expect(checkpoint == first)
        #expect(skipped == [.init(name: "step-00000002", reason: "latest names it, but it is missing")])
    }

    @Test("a run that went back leaves what lay ahead of it behind")
    func rewinding() throws {
        for step in 1...4 { try store.write(step: step, files: files(Float(step))) }
        try store.point(.latest, at: 2)
        let (checkpoint, skipped) = try store.latestWhole()
        #expect(checkpoint?.step == 2)
        #expect(skipped.map(\.name) == ["step-00000004", "step-00000003"])
        try store.write(step: 3, files: files(33))
        try store.prune(keep: 2)
        #expect(try scratch.names(in: "checkpoints") == ["latest", "step-00000002", "step-00000003"])
        #expect(
            try store.latestWhole().checkpoint?.tensors(in: "model.safetensors")["w"]?.values
                == .float(Array(repeating: 33, count: 300)))
    }

    @Test("a step that is reached again replaces its checkpoint")
    func replacing() throws {
        try store.write(step: 7, files: files(1) + [CheckpointFile(name: "extra", bytes: Data([1]))], best: true)
        let again = try store.write(step: 7, files: files(2))
        #expect(try Checkpoint.verify(scratch(path(7))) == again)
        #expect(again.files.keys.sorted() == ["model.safetensors", "state.json"])
        #expect(try scratch.names(in: "checkpoints") == ["best", "latest", "step-00000007"])
        #expect(try scratch.names(in: path(7)).count == 3)
    }

    @Test("a process that ends between setting aside and naming loses nothing")
    func endedWhileReplacing() throws {
        let old = try store.write(step: 7, files: files(1))
        let manager = FileManager.default
        try manager.moveItem(atPath: old.path, toPath: scratch("checkpoints/.replaced-step-00000007"))
        try manager.createDirectory(
            atPath: scratch("checkpoints/.partial-step-00000007"), withIntermediateDirectories: true)
        #expect(try store.latestWhole().checkpoint == old)
        try manager.copyItem(atPath: old.path, toPath: scratch("checkpoints/.replaced-step-00000007"))
        try store.prune(keep: 1)
        #expect(try scratch.names(in: "checkpoints") == ["latest", "step-00000007"])
        #expect(try Checkpoint.verify(old.path) == old)
    }

    @Test("a writer that fails leaves everything before it and nothing of its own")
    func failingWriter() throws {
        let old = try store.write(step: 1, files: files(1), best: true)
        let wrong = NamedTensor(name: "w", shape: [2], values: .float([1]))
        for step in [1, 2] {
            #expect {
                try store.write(
                    step: step,
                    files: files(2) + [CheckpointFile(name: "optimizer.safetensors", tensors: [wrong])], best: true)
            } throws: { error in
                guard case CheckpointError.contents = error else { return false }
                return "\(error)".contains("optimizer.safetensors: tensor w")
            }
            #expect(try scratch.names(in: "checkpoints") == ["best", "latest", "step-00000001"])
            #expect(try scratch.text("checkpoints/latest") == "step-00000001\n")
            #expect(try Checkpoint.verify(old.path) == old)
        }
    }

    @Test("pruning keeps the newest, and never breaks a pointer")
    func pruning() throws {
        for step in 1...6 {
            try store.write(step: step, files: files(Float(step)), best: step == 2)
            try store.prune(keep: 2)
            for pointer in CheckpointStore.Pointer.allCases {
                if let named = try store.step(of: pointer) {
                    #expect(throws: Never.self) { try Checkpoint.verify(scratch(path(named))) }
                }
            }
        }
        #expect(
            try scratch.names(in: "checkpoints")
                == ["best", "latest", "step-00000002", "step-00000005", "step-00000006"])
        try scratch.write("half", to: "checkpoints/.partial-latest")
        try store.prune(keep: 1)
        #expect(try scratch.names(in: "checkpoints") == ["best", "latest", "step-00000002", "step-00000006"])
    }

    @Test("a pointer cannot be set to a checkpoint that is not there")
    func pointerNeedsTarget() throws {
        try store.write(step: 1, files: files(1))
        #expect { try store.point(.best, at: 9) } throws: { "\($0)".contains("step-00000009") }
        #expect(try store.step(of: .best) == nil)
        #expect(try store.step(of: .latest) == 1)
    }

    @Test("names sort as steps do, and only exact names count")
    func names() {
        #expect(CheckpointStore.name(ofStep: 123) == "step-00000123")
        #expect(CheckpointStore.name(ofStep: 1_234_567_890) == "step-1234567890")
        #expect(CheckpointStore.step(ofName: "step-00000123") == 123)
        #expect(CheckpointStore.step(ofName: "step-1234567890") == 1_234_567_890)
        for name in ["step-123", "step-000000123", "step-", "step--0000001", "step-+0000001", "latest"] {
            #expect(CheckpointStore.step(ofName: name) == nil, "\(name)")
        }
    }

    @Test("a checkpoint is found by its directory, a pointer, its store or its run")
    func locating() throws {
        let first = try store.write(step: 1, files: files(1), best: true)
        let second = try store.write(step: 2, files: files(2))
        #expect(try CheckpointStore.locate(first.path) == first.path)
        #expect(try CheckpointStore.locate(scratch("checkpoints/best")) == first.path)
        for place in ["checkpoints/latest", "checkpoints", ""] {
            #expect(try Checkpoint.verify(CheckpointStore.locate(scratch(place))) == second)
        }
        #expect { _ = try CheckpointStore.locate(scratch("nowhere")) } throws: {
            "\($0)".contains("found no such directory")
        }
    }
}
