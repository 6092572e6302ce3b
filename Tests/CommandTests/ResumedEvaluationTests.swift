import Foundation
import Testing

@testable import Files

extension CommandSuite {
    @Suite("Evaluations that go on", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct ResumedEvaluationTests {
        private static let unfinished = RunDirectory.unfinishedName
        /// Ten chunks that take some time each.
        private static let settings = ["evaluation.chunk=4", "evaluation.attacks.0.steps=60"]

        private func arguments(_ output: String, _ more: [String] = []) throws -> [String] {
            ["evaluate", "--checkpoint", try TrainedRun.onOneRank.get().path, "--output", output] + Self.settings + more
        }

        private static let uninterrupted = Result {
            let output = try Scratch.folder() + "/out"
            let outcome = try robustmoe(
                ["evaluate", "--checkpoint", try TrainedRun.onOneRank.get().path, "--output", output] + settings)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return TrainedRun(path: output)
        }

        private func expectSame(_ output: String) throws {
            let (found, expected) = (TrainedRun(path: output), try Self.uninterrupted.get())
            for table in TrainedRun.tables + ["per_sample.csv", "classes.csv"] {
                #expect(try found.comparableRows(table) == expected.comparableRows(table), "\(table)")
            }
            #expect(!Scratch.exists("\(output)/\(Self.unfinished)"))
        }

        /// Starts an evaluation, and ends it by a signal as soon as so many chunks are finished.
        private func interrupt(
            _ output: String, after chunks: Int, by signal: Int32, ranks: Int?, isToRank: Bool = false,
            _ more: [String] = []
        ) throws -> CommandJob.Outcome {
            let job = try CommandJob(try arguments(output, more), ranks: ranks)
            try job.wait {
                let lines = (try? Scratch.text("\(output)/\(Self.unfinished)"))?.split(separator: "\n").count ?? 0
                return lines > chunks
            }
            if signal == SIGKILL, ranks != nil { for rank in job.rankProcesses { kill(rank, SIGKILL) } }
            if isToRank { kill(try #require(job.rankProcesses.last), signal) } else { job.signal(signal) }
            return job.finish()
        }

        @Test(
            "what was killed half-way goes on to the results of an evaluation that was not, on any number of ranks",
            arguments: [(nil, 2), (2, 3), (3, 1)] as [(Int?, Int?)])
        func killed(_ ranks: Int?, _ later: Int?) throws {
            let output = try Scratch.folder() + "/out"
            #expect(try interrupt(output, after: 2, by: SIGKILL, ranks: ranks).status != 0)
            #expect(TrainedRun(path: output).hasNoTables)
            let outcome = try robustmoe(try arguments(output, ["--resume", "auto"]), ranks: later)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("goes on with the evaluation"), "\(outcome.output)")
            try expectSame(output)
            let again = try robustmoe(try arguments(output, ["--resume", "auto"]), ranks: later)
            #expect(again.status == 0 && again.output.contains("finished already"), "\(again.output)")
        }

        @Test("a signal ends it with 75 and a line on how to go on", arguments: [nil, 2])
        func signalled(_ ranks: Int?) throws {
            let output = try Scratch.folder() + "/out"
            let outcome = try interrupt(output, after: 1, by: SIGUSR1, ranks: ranks)
            #expect(outcome.status == 75, "\(outcome.errors)")
            #expect(outcome.output.contains("--resume auto"), "\(outcome.output)")
            // Without --resume nobody writes over it, and with other settings nobody goes on with it.
            let fresh = try robustmoe(try arguments(output))
            #expect(fresh.status == 2)
            expectComplaint(fresh, [Self.unfinished, "--resume auto", "--force"])
            let other = try robustmoe(try arguments(output, ["--resume", "auto", "evaluation.seed=5"]))
            #expect(other.status == 4)
            expectComplaint(other, ["evaluation.seed", "now there is 5", "--force"])
            #expect(try robustmoe(try arguments(output, ["--resume", "auto"])).status == 0)
            try expectSame(output)
        }

        @Test("a signal to one rank ends it for all", arguments: [SIGTERM, SIGUSR1])
        func signalToRank(_ number: Int32) throws {
            let output = try Scratch.folder() + "/out"
            let outcome = try interrupt(output, after: 1, by: number, ranks: 2, isToRank: true)
            #expect(outcome.status == 75, "\(outcome.errors)")
            #expect(try robustmoe(try arguments(output, ["--resume", "auto"]), ranks: 2).status == 0)
            try expectSame(output)
        }

        @Test("the time limit ends it within an attack, and nothing is left where nothing was finished")
        func timeLimit() throws {
            let output = try Scratch.folder() + "/out"
            let outcome = try robustmoe(
                try arguments(output, ["evaluation.time_limit=0.01", "evaluation.attacks.0.steps=20000"]))
            #expect(outcome.status == 75 && outcome.seconds < 30, "\(outcome.errors)")
            #expect(!Scratch.exists("\(output)/\(Self.unfinished)") && TrainedRun(path: output).hasNoTables)
        }

        @Test("results that are to be replaced stay until the others are whole")
        func replaced() throws {
            let output = try Scratch.folder() + "/out"
            #expect(try robustmoe(try arguments(output, ["evaluation.attacks=[]"])).status == 0)
            let before = try Scratch.text(output + "/per_sample.csv")
            #expect(try interrupt(output, after: 1, by: SIGTERM, ranks: nil, ["--force"]).status == 75)
            #expect(try Scratch.text(output + "/per_sample.csv") == before)
            #expect(try robustmoe(try arguments(output, ["--resume", "auto"])).status == 0)
            try expectSame(output)
        }

        @Test("an evaluation within training that is cut short keeps what it has finished")
        func training() throws {
            let settings = ["evaluation.attacks.0.steps=150", "training.epochs=1", "evaluation.chunk=4"]
            let run = TrainedRun(path: try Scratch.folder() + "/run")
            let job = try CommandJob(TrainedRun.arguments(run.path, settings))
            try job.wait { Scratch.exists("\(run.path)/\(Self.unfinished)") }
            job.signal(SIGTERM)
            #expect(job.finish().status == 75)
            let resumed = try robustmoe(["train", "--output", run.path, "--resume", "auto"])
            #expect(resumed.status == 0, "\(resumed.errors)")
            #expect(resumed.output.contains("goes on with what was finished"), "\(resumed.output)")
            #expect(!Scratch.exists("\(run.path)/\(Self.unfinished)"))
            let whole = TrainedRun(path: try Scratch.folder() + "/run")
            #expect(try robustmoe(TrainedRun.arguments(whole.path, settings)).status == 0)
            try run.expectSame(as: whole)
        }

        @Test("the end is a summary that a paper can quote, with rows for its tables")
        func summary() throws {
            let output = try Scratch.folder() + "/out"
            let outcome = try robustmoe(try arguments(output, ["evaluation.attacks.0.steps=2"]))
            let hash = try #require(TrainedRun.onOneRank.get().latest().files["model.safetensors"]?.sha256)
            let lines = outcome.output.split(separator: "\n").map(String.init)
            #expect(lines.contains { $0.contains(hash) && $0.contains("on 40 images of synthetic, test") })
            let attacked = lines.filter { $0.contains("pgd-linf-8of255-2") && $0.contains("%") }
            #expect(attacked.allSatisfy { $0.contains("linf, radius 8/255, 2 steps") }, "\(attacked)")
            #expect(lines.contains { $0.hasPrefix("| step-00000027 | \(hash.prefix(12)) | synthetic test | 40 | ") })
            #expect(lines.contains { $0.hasPrefix("step-00000027 (") && $0.hasSuffix(#" \\"#) })
            #expect(lines.contains { $0.contains("worst case") && $0.contains("of 40 images") })
        }
    }
}

extension TrainedRun {
    /// Whether a directory holds no table at all.
    fileprivate var hasNoTables: Bool { RunTable.allCases.allSatisfy { !Scratch.exists("\(path)/\($0.fileName)") } }
}
