import Foundation
import TestSupport
import Testing

@testable import Files

/// A file system of 256 KiB in memory, where the system lets us mount one.
private final class SmallDisk {
    let scratch: ScratchFolder

    init?() {
        guard let scratch = try? ScratchFolder() else { return nil }
        self.scratch = scratch
        if mount("none", scratch.path, "tmpfs", 0, "size=256k") != 0 { return nil }
    }

    deinit { umount2(scratch.path, Int32(MNT_DETACH)) }

    static let isPossible = SmallDisk() != nil
}

@Suite("a full disk")
struct FullDiskTests {
    private func checkpointFile(bytes: Int) -> CheckpointFile {
        CheckpointFile(name: "model.safetensors", bytes: Data(repeating: 1, count: bytes))
    }

    @Test("a device without room gives an error with path, reason and bytes, and the file's old text stays")
    func fullDevice() throws {
        let scratch = try ScratchFolder()
        try scratch.write("old", to: "file")
        let descriptor = open("/dev/full", O_WRONLY)
        try #require(descriptor >= 0)
        let file = OutputFile(
            descriptor: descriptor, path: scratch(".partial-file"), destination: scratch("file"))
        #expect(throws: FileSystemError("write", scratch("file"), code: ENOSPC, bytesWanted: 5)) {
            try file.write("12345")
        }
        #expect(
            FileSystemError("write", "/a/b", code: ENOSPC, bytesWanted: 5).description
                == "cannot write /a/b (5 bytes wanted): No space left on device (errno 28)")
        #expect(try scratch.text("file") == "old")
    }

    @Test("a file that is given up half-way leaves the old text and no remains")
    func givenUp() throws {
        let scratch = try ScratchFolder()
        try scratch.write("old", to: "file")
        let during = try namesWhileGivingUp(on: scratch("file"), in: scratch)
        #expect(during == [".partial-file", "file"])
        #expect(try scratch.names() == ["file"])
        #expect(try scratch.text("file") == "old")
    }

    private func namesWhileGivingUp(on path: String, in scratch: ScratchFolder) throws -> [String] {
        let file = try OutputFile(replacing: path)
        try file.write("new")
        let names = try scratch.names()
        return withExtendedLifetime(file) { names }
    }

    @Test(
        "a checkpoint that does not fit leaves the one before it and the pointers", .enabled(if: SmallDisk.isPossible))
    func checkpoint() throws {
        let disk = try #require(SmallDisk())
        let store = CheckpointStore(directory: disk.scratch("checkpoints"))
        let first = try store.write(step: 1, files: [checkpointFile(bytes: 100_000)], best: true)
        #expect {
            try store.write(step: 2, files: [checkpointFile(bytes: 1_000_000)], best: true)
        } throws: { error in
            guard case CheckpointError.system(let reason) = error else { return false }
            return reason.code == ENOSPC && reason.bytesWanted == 1_000_000
                && reason.path.hasSuffix("step-00000002/model.safetensors")
        }
        #expect(try disk.scratch.names(in: "checkpoints") == ["best", "latest", "step-00000001"])
        #expect(try store.latestWhole().checkpoint == first)
        #expect(try store.step(of: .best) == 1)
        #expect(try store.write(step: 2, files: [checkpointFile(bytes: 50_000)]).step == 2)
    }

    @Test("a row that does not fit leaves no part of itself", .enabled(if: SmallDisk.isPossible))
    func row() throws {
        let disk = try #require(SmallDisk())
        let table = try CSVWriter(path: disk.scratch("t.csv"), columns: ["text"], runID: "r")
        try table.append([.text("first")])
        let before = table.byteOffset
        #expect { try table.append([.text(String(repeating: "x", count: 400_000))]) } throws: { error in
            guard case FileFormatError.system(let reason) = error else { return false }
            return reason.code == ENOSPC
        }
        #expect(table.byteOffset == before)
        try table.append([.text("second")])
        #expect(try Table.rows(disk.scratch("t.csv")).map { $0["text"] } == ["first", "second"])
    }
}
