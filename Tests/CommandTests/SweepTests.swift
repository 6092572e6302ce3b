import Foundation
import Testing

extension CommandSuite {
    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../launch/sweep").standardizedFileURL.path

    @Suite("Sweeps", .serialized, .enabled(if: CommandJob.has("python3"), "no python3"))
    struct SweepTests {
        private static let small = [
            "--", "model.width=4", "data.dataset=synthetic", "data.train_samples=64", "data.test_samples=20",
            "training.epochs=1", "training.global_batch=16", "attack.steps=1", "moe.experts=2",
        ]

        private func sweep(_ arguments: [String]) throws -> CommandJob.Outcome {
            try CommandJob(["--program", CommandJob.binary] + arguments, program: CommandSuite.script).finish()
        }

        @Test("a grid is trained and evaluated, what fails is named, and what is done is not done again")
        func grid() throws {
            let output = try Scratch.folder() + "/sweep"
            let arguments = [
                "--output", output, "--jobs", "2", "--seeds", "1,2", "--evaluate", "--experts", "--evaluation",
                "evaluation.attacks.0.steps=2", "moe.kind=none,conv+moe.balance.loss=switch,other",
            ]
            let first = try sweep(arguments + Self.small)
            #expect(first.status == 1, "\(first.errors)")
            #expect(
                first.errors.contains("kind=other_seed=2: train failed with 2") && first.errors.contains("moe.kind"))
            #expect(first.output.contains("4 of 6 runs done, 2 failed, 0 stopped early"))
            let tables = TrainedRun(path: output)
            let rows = try tables.rows("runs.csv")
            #expect(
                rows.map { $0["run"] } == [
                    "kind=none_seed=1", "kind=none_seed=2", "kind=conv+switch_seed=1", "kind=conv+switch_seed=2",
                    "kind=other_seed=1", "kind=other_seed=2",
                ])
            for row in rows.prefix(4) {
                let run = try #require(row["run"])
                let evaluated = try TrainedRun(path: "\(output)/\(run)/evaluate").rows("evaluation.csv")
                #expect(row["status"] == "done" && row["clean_accuracy"] == evaluated[0]["accuracy"])
                #expect(row["pgd-linf-8of255-2_accuracy_low"] == evaluated[1]["accuracy_low"])
                #expect((row["clean_usage_entropy"] == "") == (row["kind"] == "none"))
                #expect((row["clean_best_expert"] == "") == (row["kind"] == "none"))
            }
            #expect(try tables.rows("fixed_experts.csv").allSatisfy { $0["kind"] == "conv+switch" })
            let stamps = try Scratch.text("\(output)/kind=none_seed=1/events.log")
            let again = try sweep(arguments + Self.small)
            #expect(again.status == 1 && !again.output.contains("kind=none_seed=1: train"))
            #expect(try Scratch.text("\(output)/kind=none_seed=1/events.log") == stamps)
            let other = try sweep(arguments + Self.small + ["attack.steps=2"])
            #expect(other.status == 2 && other.errors.contains("was trained with other settings"))
        }

        @Test("an interrupted sweep writes checkpoints, and the same command goes on from them")
        func interruption() throws {
            let output = try Scratch.folder() + "/sweep"
            let arguments =
                ["--program", CommandJob.binary, "--output", output, "--seeds", "1,2"] + Self.small
                + ["training.method=pgd", "evaluation.every_epochs=1000"]
            let run = "\(output)/seed=1"
            let job = try CommandJob(arguments + ["training.epochs=1000"], program: CommandSuite.script)
            try job.wait { (try? Scratch.text(run + "/events.log").contains("checkpoint")) ?? false }
            job.signal(SIGINT)
            let outcome = job.finish()
            #expect(outcome.status == 75 && outcome.output.contains("0 of 2 runs done, 0 failed, 2 stopped early"))
            let state = try JSONSerialization.jsonObject(
                with: Data(contentsOf: URL(fileURLWithPath: run + "/sweep.json")))
            #expect((state as? [String: Any])?["done"] as? [String] == [])
            #expect(Scratch.exists(run + "/checkpoints/latest") && !Scratch.exists("\(output)/seed=2"))
            let again = try CommandJob(arguments + ["training.epochs=1000"], program: CommandSuite.script)
            try again.wait { (try? Scratch.text(run + "/events.log").contains("resumed from")) ?? false }
            again.signal(SIGTERM)
            #expect(again.finish().status == 75)
        }

        @Test(
            "wrong usage is told and starts nothing",
            arguments: [
                (["--jobs", "0"], "--jobs is 0"), (["--seeds", "1,1"], "expected each once"),
                (["moe.kind"], "expected key=value"), (["moe.kind=none,none"], "stands there twice"),
                (["moe.placement=[layer3"], "brackets"), (["moe.kind=none", "--", "moe.kind=conv"], "is an axis"),
                (["--config", "/none.yaml"], "no such file"), (["--evaluation", "a=b"], "--evaluate"),
                (["moe.kind=conv+moe.top_k=1", "moe.top_k=2"], "set twice"),
                (["output.name=run{seed}"], "expected --seeds"),
            ])
        func usage(_ arguments: [String], _ phrase: String) throws {
            let output = try Scratch.folder() + "/sweep"
            let outcome = try sweep(["--output", output] + arguments)
            #expect(outcome.status == 2 && outcome.errors.contains(phrase), "\(outcome.errors)")
            #expect(!Scratch.exists(output))
        }
    }
}
