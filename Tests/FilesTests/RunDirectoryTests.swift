import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("run directories")
struct RunDirectoryTests {
    let scratch: ScratchFolder
    init() throws { scratch = try ScratchFolder() }

    /// A run with a checkpoint, a table and a file of the user's own, everywhere a user may put one.
    private func makeRun() throws {
        let run = try RunDirectory(scratch("run"), opening: .fresh)
        try run.writeConfiguration("preset: null\n")
        try run.log("began")
        _ = try CSVWriter(path: run.file("metrics.csv"), rows: MetricsRow.self, runID: "r")
        try run.checkpoints.write(step: 1, files: [CheckpointFile(name: "state.json", bytes: Data())], best: true)
        try scratch.write("mine", to: "run/notes.csv")
        try scratch.write("mine", to: "run/checkpoints/notes.txt")
    }

    @Test("a new directory is made with what lies above it, and its files read as documented")
    func files() throws {
        let run = try RunDirectory(scratch("results/new/run"), opening: .fresh)
        #expect(!run.resumesRun)
        try run.writeConfiguration("preset: null\n")
        try run.writeCommand(["robustmoe", "train", "a.b=8/255", "it's", "two words", ""])
        try run.writeEnvironment(["z": "1", "a": "x/y"])
        try run.log("first\nevent", at: Date(timeIntervalSince1970: 0))
        try run.log("second", at: Date(timeIntervalSince1970: 86_400))
        #expect(
            try scratch.names(in: "results/new/run")
                == ["command.txt", "config.yaml", "environment.json", "events.log"])
        #expect(try scratch.text("results/new/run/config.yaml") == "preset: null\n")
        #expect(
            try scratch.text("results/new/run/command.txt") == "robustmoe train a.b=8/255 'it'\\''s' 'two words' ''\n")
        #expect(try scratch.text("results/new/run/environment.json") == "{\n  \"a\" : \"x/y\",\n  \"z\" : \"1\"\n}\n")
        #expect(
            try scratch.text("results/new/run/events.log")
                == "1970-01-01T00:00:00Z first event\n1970-01-02T00:00:00Z second\n")
        #expect { try run.writeEnvironment(["a": Double.nan]) } throws: { "\($0)".contains("environment.json") }
    }

    @Test("a run that is there is refused, with what was found and what to pass")
    func occupied() throws {
        try makeRun()
        #expect { _ = try RunDirectory(scratch("run"), opening: .fresh) } throws: { error in
            let text = "\(error)"
            return error as? RunDirectoryError
                == .occupied(path: scratch("run"), found: ["config.yaml", "metrics.csv", "checkpoints"])
                && text.contains("config.yaml, metrics.csv, checkpoints") && text.contains("--resume auto")
                && text.contains("--force")
        }
        #expect(try scratch.text("run/config.yaml") == "preset: null\n")
    }

    @Test("any one trace of a run is enough to refuse; other files and an empty checkpoints directory are not")
    func traces() throws {
        for name in RunDirectory.traces + ["checkpoints/step-00000001/manifest.json"] {
            let place = "traces-\(name.replacingOccurrences(of: "/", with: "-"))"
            let file = URL(fileURLWithPath: scratch(place + "/" + name))
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data().write(to: file)
            #expect(throws: RunDirectoryError.self, "\(name)") {
                _ = try RunDirectory(scratch(place), opening: .fresh)
            }
            #expect(try RunDirectory(scratch(place), opening: .resume).resumesRun, "\(name)")
        }
        try FileManager.default.createDirectory(
            atPath: scratch("other/checkpoints"), withIntermediateDirectories: true)
        try scratch.write("mine", to: "other/notes.csv")
        #expect(try RunDirectory(scratch("other"), opening: .fresh).resumesRun == false)
        #expect(try RunDirectory(scratch("missing"), opening: .resume).resumesRun == false)
    }

    @Test("force removes what a run wrote and nothing else; resume removes nothing")
    func force() throws {
        try makeRun()
        let before = try scratch.names(in: "run")
        _ = try RunDirectory(scratch("run"), opening: .resume)
        #expect(try scratch.names(in: "run") == before)
        let run = try RunDirectory(scratch("run"), opening: .force)
        #expect(!run.resumesRun)
        #expect(try scratch.names(in: "run") == ["checkpoints", "notes.csv"])
        #expect(try scratch.names(in: "run/checkpoints") == ["notes.txt"])
        try FileManager.default.removeItem(atPath: scratch("run/checkpoints/notes.txt"))
        _ = try RunDirectory(scratch("run"), opening: .force)
        #expect(try scratch.names(in: "run") == ["notes.csv"])
    }

    @Test("force follows no link out of the run: a linked checkpoints directory is emptied of checkpoints and kept")
    func links() throws {
        try makeRun()
        let manager = FileManager.default
        try manager.moveItem(atPath: scratch("run/checkpoints"), toPath: scratch("disk"))
        try manager.createSymbolicLink(atPath: scratch("run/checkpoints"), withDestinationPath: scratch("disk"))
        try scratch.write("preset: null # mine", to: "elsewhere")
        try manager.removeItem(atPath: scratch("run/config.yaml"))
        try manager.createSymbolicLink(atPath: scratch("run/config.yaml"), withDestinationPath: scratch("elsewhere"))
        _ = try RunDirectory(scratch("run"), opening: .force)
        #expect(try scratch.names(in: "disk") == ["notes.txt"])
        #expect(try scratch.names(in: "run") == ["checkpoints", "notes.csv"])
        #expect(try scratch.text("elsewhere") == "preset: null # mine")
    }

    @Test(
        "force removes nothing where a file with one of our names is somebody else's, and names it",
        arguments: ["config.yaml", "metrics.csv", "cost.csv", "environment.json", "command.txt", "events.log"])
    func foreign(_ name: String) throws {
        try makeRun()
        try scratch.write("my own text\nand more", to: "run/\(name)")
        let before = try scratch.names(in: "run") + scratch.names(in: "run/checkpoints")
        #expect {
            _ = try RunDirectory(scratch("run"), opening: .force)
        } throws: { error in
            "\(error)".contains(scratch("run/\(name)")) && "\(error)".contains("found 'my own text'")
                && (error as? RunDirectoryError)?.exitStatus == .usage
        }
        #expect(try scratch.names(in: "run") + scratch.names(in: "run/checkpoints") == before)
        #expect(try scratch.text("run/\(name)") == "my own text\nand more")
    }

    @Test(
        "rows without the run's checkpoints, or the mark that it has none yet, are told from a run that has just begun")
    func lostCheckpoints() throws {
        let run = try RunDirectory(scratch("run"), opening: .fresh)
        #expect(!run.lacksCheckpoints)
        let table = try CSVWriter(path: run.file("metrics.csv"), rows: MetricsRow.self, runID: "r")
        #expect(!run.lacksCheckpoints)
        let position = RowPosition(epoch: 1, step: 1, split: "train", inputs: "clean")
        try table.append(
            MetricsRow(position: position, loss: 1, taskLoss: 1, balanceLoss: 0, accuracy: 0.5, samples: 2))
        #expect(run.lacksCheckpoints)
        try run.beginCheckpoints(runID: "r")
        #expect(!run.lacksCheckpoints)
        try FileManager.default.removeItem(atPath: scratch("run/checkpoints"))
        try FileManager.default.createSymbolicLink(
            atPath: scratch("run/checkpoints"), withDestinationPath: scratch("unmounted"))
        #expect(run.lacksCheckpoints)
    }

    @Test("a file of that name is refused")
    func notDirectory() throws {
        try scratch.write("mine", to: "file")
        for opening in [RunDirectory.Opening.fresh, .force, .resume] {
            #expect(throws: RunDirectoryError.notDirectory(path: scratch("file"))) {
                _ = try RunDirectory(scratch("file"), opening: opening)
            }
        }
        #expect(try scratch.text("file") == "mine")
    }
}
