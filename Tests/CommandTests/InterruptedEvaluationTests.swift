import Foundation
import Testing

@testable import Files

extension CommandSuite {
    @Suite("Interrupted evaluations and lost checkpoints", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct InterruptedEvaluationTests {
        /// Evaluations that take much longer than a step.
        private static let settings = ["evaluation.attacks.0.steps=150", "training.epochs=2"]

        private static let uninterrupted = Result {
            let run = TrainedRun(path: try Scratch.folder() + "/run")
            let outcome = try robustmoe(TrainedRun.arguments(run.path, settings))
            #expect(outcome.status == 0, "\(outcome.errors)")
            return run
        }

        @Test(
            "a signal within an evaluation ends the run at once; the evaluation is made up, once", arguments: [nil, 2])
        func evaluation(_ ranks: Int?) throws {
            let run = TrainedRun(path: try Scratch.folder() + "/run")
            let job = try CommandJob(TrainedRun.arguments(run.path, Self.settings), ranks: ranks)
            try job.wait { (try? run.latest().step) == TrainedRun.stepsPerEpoch }
            job.signal(ranks == nil ? SIGINT : SIGUSR1)
            let outcome = job.finish()
            #expect(outcome.status == 75, "\(outcome.errors)")
            #expect(outcome.output.contains("stopped after step 9 of 18, before its evaluation"), "\(outcome.output)")
            #expect(try run.rows("evaluation.csv").isEmpty)
            let resumed = try robustmoe(["train", "--output", run.path, "--resume", "auto"])
            #expect(resumed.status == 0, "\(resumed.errors)")
            if ranks == nil { try run.expectSame(as: try Self.uninterrupted.get()) }
            let steps = try run.rows("evaluation.csv").map { $0["checkpoint"] ?? "" }
            #expect(steps == [9, 9, 9, 18, 18, 18].map(CheckpointStore.name(ofStep:)))
        }

        @Test("a second SIGINT ends a run that has been asked already")
        func secondSignal() throws {
            let run = TrainedRun(path: try Scratch.folder() + "/run")
            // Steps that take long: the first signal is not answered soon.
            let job = try CommandJob(TrainedRun.arguments(run.path, ["attack.steps=20000"]))
            try job.wait { Scratch.exists(run.path + "/checkpoints/.run") }
            job.signal(SIGINT)
            usleep(300_000)
            job.signal(SIGINT)
            let outcome = job.finish(within: 30)
            #expect(outcome.status == 128 + Int(SIGINT), "\(outcome.errors)")
        }

        @Test("checkpoints that are not there are no reason to begin anew: rows stay, and what is missing is named")
        func lostCheckpoints() throws {
            let run = TrainedRun(path: try Scratch.copy(of: TrainedRun.onOneRank.get().path))
            let checkpoints = run.path + "/checkpoints"
            try FileManager.default.moveItem(atPath: checkpoints, toPath: checkpoints + "-elsewhere")
            let before = try Scratch.contents(of: run.path)
            let outcome = try robustmoe(["train", "--output", run.path, "--resume", "auto"])
            #expect(outcome.status == 4)
            expectComplaint(outcome, [checkpoints, "is a disk not mounted", "--force"])
            #expect(try Scratch.contents(of: run.path) == before)
        }

        @Test("a killed evaluation leaves no table, and the results it was to replace stay")
        func killedEvaluate() throws {
            let output = try Scratch.folder() + "/out"
            let run = try TrainedRun.onOneRank.get().path
            let evaluate = ["evaluate", "--checkpoint", run, "--output", output]
            func kill(_ more: [String]) throws {
                let job = try CommandJob(evaluate + ["evaluation.attacks.0.steps=20000"] + more)
                try job.wait { Scratch.exists(output + "/run.lock") }
                usleep(500_000)
                job.signal(SIGKILL)
                #expect(job.finish().status == 137)
            }
            try kill([])
            #expect(try Scratch.contents(of: output).keys.sorted() == ["run.lock"])
            #expect(try robustmoe(evaluate + ["evaluation.attacks=[]"]).status == 0)
            #expect(try TrainedRun(path: output).rows("evaluation.csv").map { $0["attack"] } == ["none"])
            let before = try Scratch.contents(of: output)
            try kill(["--force"])
            #expect(try Scratch.contents(of: output).filter { $0.key != "run.lock" } == before)
        }
    }
}
