import Foundation
import Testing

extension CommandSuite {
    /// `launch/track/follow` with a tracker of our own in MLflow's place, which writes down what it is sent.
    @Suite("Trackers", .serialized, .enabled(if: CommandJob.has("python3"), "needs python3"))
    struct TrackTests {
        private static let program = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../launch/track/follow").standardizedFileURL.path

        private let run: String
        private let modules: String

        init() throws {
            run = try Scratch.folder()
            modules = try Scratch.folder()
            let mlflow = """
                import os, types

                def write(*words):
                    with open(os.environ["SENT"], "a") as file:
                        print(*words, file=file)

                class entities:
                    class Metric:
                        def __init__(self, name, value, timestamp, step):
                            self.text = f"{name} {step} {value}"
                    class Param:
                        def __init__(self, name, value):
                            self.text = f"{name}={value}"

                def set_experiment(name):
                    return types.SimpleNamespace(experiment_id=name)

                class MlflowClient:
                    def create_run(self, experiment, tags, run_name):
                        name = tags["robustmoe.run_id"].upper()
                        write("begin", name, experiment)
                        return types.SimpleNamespace(info=types.SimpleNamespace(run_id=name))
                    def update_run(self, run, status):
                        pass
                    def log_batch(self, run, params=(), metrics=()):
                        for value in [*params, *metrics]:
                            write(run, value.text)
                    def set_terminated(self, run):
                        write("end", run)
                """
            try mlflow.write(toFile: modules + "/mlflow.py", atomically: true, encoding: .utf8)
            let yaml = "def safe_load(file):\n    return {'moe': {'kind': 'conv', 'placement': ['layer3', 'layer4']}}\n"
            try yaml.write(toFile: modules + "/yaml.py", atomically: true, encoding: .utf8)
            try "".write(toFile: run + "/config.yaml", atomically: true, encoding: .utf8)
        }

        private func start(_ more: String...) throws -> CommandJob {
            try CommandJob(
                ["python3", Self.program, run, "--to", "mlflow"] + more, program: "/usr/bin/env",
                environment: ["PYTHONPATH": modules, "SENT": modules + "/sent"])
        }

        /// What the tracker was sent by now, and forgets.
        private func sent() throws -> [String] {
            let lines = (try? Scratch.text(modules + "/sent").split(separator: "\n").map(String.init)) ?? []
            try? FileManager.default.removeItem(atPath: modules + "/sent")
            return lines
        }

        private static let header = "schema_version,run_id,epoch,step,split,inputs,loss,accuracy\n"

        private func put(_ text: String) throws {
            try text.write(toFile: run + "/metrics.csv", atomically: false, encoding: .utf8)
        }

        @Test(
            "whole rows are sent once, whatever is cut back, taken again or being written, and a new run is one there too"
        )
        func rows() throws {
            #expect(try start("--once").finish().status == 3)
            let first = Self.header + "2,ab,0,10,train,clean,1.5,0.25\n2,ab,0,20,train,clean,,0.5\n"
            try put(first + "2,ab,0,20,test,pgd,0.7")
            #expect(try start("--once").finish().status == 0)
            #expect(
                try sent() == [
                    "begin AB robustmoe", "AB moe.kind=conv", "AB moe.placement.0=layer3", "AB moe.placement.1=layer4",
                    "AB train/clean/loss 10 1.5", "AB train/clean/accuracy 10 0.25", "AB train/clean/accuracy 20 0.5",
                ])
            try put(first + "2,ab,0,20,test,pgd,0.75,\n")
            #expect(try start("--once").finish().status == 0)
            #expect(try sent() == ["AB test/pgd/loss 20 0.75"])
            // The run went on from step 10.
            try put(
                Self.header + "2,ab,0,10,train,clean,1.5,0.25\n2,ab,0,20,train,clean,,0.625\n2,ab,1,30,train,clean,1,\n"
            )
            #expect(try start("--once").finish().status == 0)
            #expect(try sent() == ["AB train/clean/loss 30 1.0"])
            try put(Self.header + "2,cd,0,10,train,clean,3,\n")
            #expect(try start("--once").finish().status == 0)
            #expect(try sent().suffix(1) == ["CD train/clean/loss 10 3.0"])
            #expect(try start("--once").finish().status == 0)
            #expect(try sent().isEmpty)
        }

        @Test("a run is followed from before its first row, over a resumption, to its end")
        func live() throws {
            let job = try start("--every", "0.05")
            func wait(for line: String) throws {
                try job.wait { (try? Scratch.text(modules + "/sent").contains(line)) == true }
            }
            usleep(200_000)
            let rows = (1...4).map { "2,ab,0,\($0 * 10),train,clean,\($0),\n" }
            try put(Self.header + rows[0] + rows[1])
            try wait(for: "AB train/clean/loss 20 2.0\n")
            // Cut back to the first row, and longer again before anybody looks.
            try put(Self.header + rows[0] + "2,ab,0,20,train,clean,2.0625,0.125\n" + rows[2])
            try wait(for: "AB train/clean/loss 30 3.0\n")
            try put(Self.header + rows.joined())
            try #"{"exit_status": 0}"#.write(toFile: run + "/environment.json", atomically: true, encoding: .utf8)
            let outcome = job.finish(within: 60)
            #expect(outcome.status == 0, "\(outcome.errors)")
            let losses = try sent().filter { $0.contains("/loss ") }
            #expect(losses == (1...4).map { "AB train/clean/loss \($0 * 10) \($0).0" })
        }
    }
}
