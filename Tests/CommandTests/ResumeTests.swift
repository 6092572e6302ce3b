import Foundation
import Testing

extension CommandSuite {
    @Suite("Resuming", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct ResumeTests {
        private func newRun() throws -> TrainedRun { TrainedRun(path: try Scratch.folder() + "/run") }

        private func resume(_ run: TrainedRun, ranks: Int?, _ more: [String] = []) throws -> CommandJob.Outcome {
            try robustmoe(["train", "--output", run.path, "--resume", "auto"] + more, ranks: ranks)
        }

        @Test("a run of the first format is refused with what its weights are good for, before its keys are")
        func oldFormat() throws {
            let run = TrainedRun(path: try Scratch.copy(of: TrainedRun.onOneRank.get().path))
            let state = try run.latest().path + "/state.json"
            let text = try Scratch.text(state)
            let old = text.replacingOccurrences(of: "\"format_version\" : 3", with: "\"format_version\" : 2")
            #expect(old != text)
            try old.write(toFile: state, atomically: true, encoding: .utf8)
            let settings = try Scratch.text(run.path + "/config.yaml")
            try settings.replacingOccurrences(of: "training:\n", with: "training:\n  replays: 4\n")
                .write(toFile: run.path + "/config.yaml", atomically: true, encoding: .utf8)
            let before = try Scratch.contents(of: run.path)
            let outcome = try resume(run, ranks: nil)
            #expect(outcome.status == 4)
            #expect(outcome.errors.contains("found a checkpoint of format 2, expected 3"), "\(outcome.errors)")
            #expect(outcome.errors.contains("--layout robustmoe"))
            #expect(try Scratch.contents(of: run.path) == before)
        }

        @Test("a rank killed twice in mid-step changes nothing in the end")
        func killed() throws {
            let run = try newRun()
            for (number, death) in [(rank: 1, step: 7), (rank: 0, step: 13)].enumerated() {
                let outcome = try robustmoe(
                    TrainedRun.arguments(run.path, number == 0 ? [] : ["--resume", "auto"]), ranks: 2,
                    environment: ["ROBUSTMOE_DRILL": "kill:\(death.rank):\(death.step)"])
                #expect(outcome.status == 137)
                #expect(run.lastRow <= death.step)
            }
            let outcome = try resume(run, ranks: 2)
            #expect(outcome.status == 0, "\(outcome.errors)")
            try run.expectSame(as: try TrainedRun.onTwoRanks.get())
        }

        @Test("kill -9 of both ranks twice changes nothing in the end")
        func killedFromOutside() throws {
            let run = try newRun()
            // The rows of steps 4 and 16 are written right before steps that end neither an epoch nor in a checkpoint.
            for (step, more) in [(4, []), (16, ["--resume", "auto"])] {
                let job = try CommandJob(TrainedRun.arguments(run.path, more), ranks: 2)
                try job.wait { run.lastRow >= step }
                let ranks = job.rankProcesses
                #expect(ranks.count == 2)
                for id in ranks { kill(id, SIGKILL) }
                #expect(job.finish().status == 137)
                #expect(run.lastRow < TrainedRun.steps)
            }
            let outcome = try resume(run, ranks: 2)
            #expect(outcome.status == 0, "\(outcome.errors)")
            try run.expectSame(as: try TrainedRun.onTwoRanks.get())
        }

        @Test("another number of ranks goes on, and every sample counts once an epoch")
        func otherRanks() throws {
            let run = try newRun()
            let first = try robustmoe(TrainedRun.arguments(run.path, ["training.stop_after_steps=7"]), ranks: 2)
            #expect(first.status == 75, "\(first.errors)")
            let second = try resume(run, ranks: 3)
            #expect(second.status == 0, "\(second.errors)")
            #expect(second.output.contains("ranks: 2 -> 3"))
            let rows = try run.rows("metrics.csv").filter { $0["split"] == "train" }
            #expect(rows.compactMap { $0["step"] } == ["4", "8", "9", "12", "16", "18", "20", "24", "27"])
            for epoch in 1...3 {
                let samples = rows.filter { $0["epoch"] == "\(epoch)" }.compactMap { $0["samples"].flatMap { Int($0) } }
                #expect(samples.reduce(0, +) == TrainedRun.samples)
            }
        }

        @Test("with deterministic shards, one rank and then two and then three give the same bits as one")
        func deterministicShards() throws {
            let shards = ["distributed.deterministic_shards=6"]
            let (whole, run) = (try newRun(), try newRun())
            #expect(try robustmoe(TrainedRun.arguments(whole.path, shards)).status == 0)
            let first = try robustmoe(
                TrainedRun.arguments(run.path, shards + ["training.stop_after_steps=7"]), ranks: 2)
            #expect(first.status == 75, "\(first.errors)")
            let second = try resume(run, ranks: 3)
            #expect(second.status == 0, "\(second.errors)")
            try run.expectSame(as: whole)
        }

        @Test("what ranks have not sent of gradients is in checkpoints, and goes on with as many ranks and with others")
        func errorFeedback() throws {
            let wire = ["distributed.wire=int8", "distributed.error_feedback=true"]
            let (whole, run) = (try newRun(), try newRun())
            #expect(try robustmoe(TrainedRun.arguments(whole.path, wire), ranks: 2).status == 0)
            let first = try robustmoe(TrainedRun.arguments(run.path, wire + ["training.stop_after_steps=7"]), ranks: 2)
            #expect(first.status == 75, "\(first.errors)")
            let others = TrainedRun(path: try Scratch.copy(of: run.path))
            #expect(try resume(run, ranks: 2).status == 0)
            try run.expectSame(as: whole)
            let state = try run.latest().tensors(in: "state.safetensors").keys.filter { $0.contains(".unsent.") }
            #expect(Set(state.compactMap { $0.split(separator: ".").last }) == ["0", "1"])
            let second = try resume(others, ranks: 3)
            #expect(second.status == 0, "\(second.errors)")
            #expect(second.output.contains("what 2 ranks had not sent of gradients is divided among 3"))
        }

        @Test(
            "SIGUSR1 to mpirun, and it or SIGTERM to a rank, mean: checkpoint, 75, and go on later",
            arguments: [(SIGUSR1, true), (SIGUSR1, false), (SIGTERM, false)])
        func signals(_ number: Int32, isToLauncher: Bool) throws {
            let run = try newRun()
            let job = try CommandJob(TrainedRun.arguments(run.path, ["training.epochs=100"]), ranks: 2)
            try job.wait { run.lastRow >= 4 }
            if isToLauncher { job.signal(number) } else { kill(try #require(job.rankProcesses.last), number) }
            let outcome = job.finish()
            #expect(outcome.status == 75, "\(outcome.errors)")
            #expect(outcome.output.contains("--resume auto"))
            let step = try run.latest().step
            #expect((4..<900).contains(step))
            #expect(try resume(run, ranks: 2, ["training.stop_after_steps=\(step + 1)"]).status == 75)
            #expect(try run.latest().step == step + 1)
        }

        @Test("a number of steps and a length of time end an invocation with 75, and are not carried over")
        func limits() throws {
            let run = try newRun()
            let steps = try robustmoe(TrainedRun.arguments(run.path, ["training.stop_after_steps=7"]))
            #expect(steps.status == 75)
            #expect(try run.latest().step == 7)
            let again = try resume(run, ranks: nil, ["training.stop_after_steps=7"])
            #expect(again.status == 2)
            expectComplaint(
                again, ["training.stop_after_steps is 7, expected above 7, the step that the run has reached"])
            #expect(try run.latest().step == 7)
            let time = try resume(run, ranks: nil, ["training.time_limit=0.001"])
            #expect(time.status == 75)
            #expect(try run.latest().step == 8)
            #expect(try resume(run, ranks: nil).status == 0)
            try run.expectSame(as: try TrainedRun.onOneRank.get())
            let finished = try resume(run, ranks: nil, ["training.stop_after_steps=7"])
            #expect(finished.status == 0 && finished.output.contains("finished already, at step 27"))
            try run.expectSame(as: try TrainedRun.onOneRank.get())
        }

        @Test("a finished run that is resumed ends with 0 and changes no row and no checkpoint")
        func finished() throws {
            let run = TrainedRun(path: try Scratch.copy(of: try TrainedRun.onTwoRanks.get().path))
            func results() throws -> [String: Data] {
                try Scratch.contents(of: run.path).filter {
                    $0.key.hasSuffix(".csv") || $0.key.hasPrefix("checkpoints")
                }
            }
            let before = try results()
            let outcome = try resume(run, ranks: 2)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try results() == before)
        }

        @Test("a run that died before its first checkpoint starts anew")
        func nothingToResume() throws {
            let run = try newRun()
            let outcome = try robustmoe(
                TrainedRun.arguments(run.path), ranks: 2, environment: ["ROBUSTMOE_DRILL": "kill:0:4"])
            #expect(outcome.status == 137)
            #expect(run.lastRow == 4)
            let again = try resume(run, ranks: 2)
            #expect(again.status == 0, "\(again.errors)")
            #expect(again.output.contains("starting anew"))
            try run.expectSame(as: try TrainedRun.onTwoRanks.get())
        }
    }
}
