import Foundation
import Testing

extension CommandSuite {
    @Suite(
        "One process in a run directory, and ranks that agree", .serialized,
        .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct TwoProcessesTests {
        @Test("a second process is refused with the first one's host and number, and follows a killed one at once")
        func lock() throws {
            let run = TrainedRun(path: try Scratch.folder() + "/run")
            let job = try CommandJob(TrainedRun.arguments(run.path, ["training.epochs=200"]))
            try job.wait { run.lastRow >= 4 }
            let holder = try Scratch.text(run.path + "/run.lock")
            for more in [["--resume", "auto"], ["--force"], []] {
                let second = try robustmoe(TrainedRun.arguments(run.path, more))
                #expect(second.status == 2)
                expectComplaint(second, ["run.lock", "expected no other process", "renewed it"])
            }
            #expect(try Scratch.text(run.path + "/run.lock") == holder)
            job.signal(SIGKILL)
            #expect(job.finish().status == 137)
            #expect(Scratch.exists(run.path + "/run.lock"))
            let resumed = try robustmoe(
                ["train", "--output", run.path, "--resume", "auto", "training.epochs=1"])
            #expect(resumed.status == 0 || resumed.output.contains("finished already"), "\(resumed.errors)")
            #expect(!Scratch.exists(run.path + "/run.lock"))
        }

        @Test(
            "ranks that were started with other settings, or see other images, end the job before the first step",
            arguments: [("attack.steps=2", 2), ("evaluation.chunk=16", 2), ("data.augmentation=[flip]", 2)])
        func settings(_ setting: String, _ status: Int) throws {
            let output = try Scratch.folder() + "/run"
            let arguments = TrainedRun.arguments(output)
            let line =
                ["--oversubscribe", "-np", "1", CommandJob.binary] + arguments + [":", "-np", "1", CommandJob.binary]
                + arguments + [setting]
            let outcome = try CommandJob(line, program: try #require(CommandJob.mpirun)).finish()
            #expect(outcome.status == status, "\(outcome.errors)")
            let key = String(setting.prefix { $0 != "=" })
            expectComplaint(
                outcome, ["ranks were started with different settings: \(key) is", "on rank 0 (", "on rank 1 ("])
            #expect(!Scratch.exists(output))
        }

        @Test("ranks that see other images under the same settings end the job with 6 before the first step")
        func images() throws {
            let folder = try Scratch.folder()
            for (place, first) in [("a", "rgb.png"), ("b", "grey.png")] {
                for (split, name) in ["train", "val"].flatMap({ split in ["bee", "cat"].map { (split, $0) } }) {
                    let path = "\(folder)/\(place)/\(split)/\(name)"
                    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                    try FileManager.default.copyItem(
                        atPath: "\(IdentityTests.pictures)/\(name == "bee" ? first : "rgba.png")",
                        toPath: path + "/1.png")
                }
            }
            func arguments(_ place: String) -> [String] {
                [
                    CommandJob.binary, "train", "--output", folder + "/run", "data.dataset=folder", "data.resize=16",
                    "data.path=\(folder)/\(place)", "model.width=4", "training.global_batch=2",
                ]
            }
            let line = ["--oversubscribe", "-np", "1"] + arguments("a") + [":", "-np", "1"] + arguments("b")
            let outcome = try CommandJob(line, program: try #require(CommandJob.mpirun)).finish()
            #expect(outcome.status == 6, "\(outcome.errors)")
            expectComplaint(outcome, ["ranks differ in what they compute with: ", "training images is", "on rank 1 ("])
            #expect(!Scratch.exists(folder + "/run"))
        }
    }
}
