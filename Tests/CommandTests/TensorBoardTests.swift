import Foundation
import Testing

/// A Python that has TensorBoard's package, if there is one.
private enum TensorBoardPython {
    static let path =
        ProcessInfo.processInfo.environment["ROBUSTMOE_TENSORBOARD_PYTHON"] ?? CommandJob.path(of: "python3")
    static let hasPackage: Bool = {
        guard let path, let job = try? CommandJob(["-c", "import tensorboard"], program: path) else { return false }
        return job.finish(within: 60).status == 0
    }()
}

extension CommandSuite {
    /// Events as TensorBoard's own Python package reads them; `ROBUSTMOE_TENSORBOARD_PYTHON` names a Python that has it.
    @Suite(
        "TensorBoard", .serialized, .enabled(if: TensorBoardPython.hasPackage, "no Python with the package tensorboard")
    )
    struct TensorBoardTests {
        @Test("events have the rows of metrics.csv, once each where a run went on")
        func events() throws {
            let output = try Scratch.folder() + "/run"
            let more = ["output.tensorboard=true", "training.epochs=2"]
            let stopped = try robustmoe(TrainedRun.arguments(output, more + ["training.stop_after_steps=11"]))
            #expect(stopped.status == 75)
            #expect(try robustmoe(TrainedRun.arguments(output, more + ["--resume", "auto"])).status == 0)
            let script = """
                from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
                import sys
                events = EventAccumulator(sys.argv[1])
                events.Reload()
                for tag in events.Tags()["scalars"]:
                    for event in events.Scalars(tag):
                        print(tag, event.step, repr(event.value))
                """
            let read = try CommandJob(["-c", script, output], program: try #require(TensorBoardPython.path)).finish()
            #expect(read.status == 0, "\(read.errors)")
            let found = read.output.split(separator: "\n").filter { $0.hasPrefix("train/") && $0.contains("/loss ") }
            let rows = try TrainedRun(path: output).rows("metrics.csv").filter { $0["split"] == "train" }
            #expect(found.count == rows.count && !rows.isEmpty)
            for (line, row) in zip(found, rows) {
                let parts = line.split(separator: " ")
                #expect(String(parts[1]) == row["step"])
                #expect(Float(parts[2]) == row["loss"].flatMap(Float.init))
            }
        }
    }
}
