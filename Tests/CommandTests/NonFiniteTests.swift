import Foundation
import Testing

extension CommandSuite {
    @Suite("Values that are not finite", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct NonFiniteTests {
        private func train(
            _ policy: String, drill: String, _ more: [String] = []
        ) throws -> (run: TrainedRun, outcome: CommandJob.Outcome, events: String) {
            let run = TrainedRun(path: try Scratch.folder() + "/run")
            let outcome = try robustmoe(
                TrainedRun.arguments(run.path, ["training.on_nonfinite=\(policy)"] + more), ranks: 2,
                environment: ["ROBUSTMOE_DRILL": drill])
            return (run, outcome, try Scratch.text(run.path + "/events.log"))
        }

        @Test("a damaged image is left out with its step; going back twice comes to the same bits")
        func skip() throws {
            let skipped = try train("skip", drill: "pixel:1:7")
            #expect(skipped.outcome.status == 0, "\(skipped.outcome.errors)")
            for word in ["warning: step 7: the loss is not finite. rank 1 on ", "the images themselves", "was skipped"]
            {
                #expect(skipped.events.contains(word), "\(skipped.events)")
            }
            let rows = try skipped.run.rows("metrics.csv").filter { $0["split"] == "train" }
            let samples = rows.compactMap { $0["samples"].flatMap { Int($0) } }
            #expect(samples.reduce(0, +) == 3 * TrainedRun.samples - 15)

            let returned = try train("rollback", drill: "pixel:1:7")
            #expect(returned.outcome.status == 0, "\(returned.outcome.errors)")
            let lines = returned.events.split(separator: "\n")
            #expect(lines.count { $0.contains("step 7: the loss is not finite") } == 2)
            #expect(lines.count { $0.contains("goes back to step 5, and takes all steps again") } == 1)
            #expect(lines.count { $0.contains("goes back to step 5, and will leave out step 7") } == 1)
            #expect(lines.count { $0.contains("step 7 is left out") } == 1)
            try returned.run.expectSame(as: skipped.run)
        }

        @Test("a fault of the memory leaves no trace once the run has gone back", arguments: [7, 3])
        func rollback(step: Int) throws {
            let (run, outcome, events) = try train("rollback", drill: "nan:1:\(step):layer4.0.conv1.router.weight")
            #expect(outcome.status == 0, "\(outcome.errors)")
            for word in ["rank 1 on", "the router of layer layer4.0.conv1 gave", "back to step \(step == 7 ? 5 : 0)"] {
                #expect(events.contains(word), "\(events)")
            }
            try run.expectSame(as: try TrainedRun.onTwoRanks.get())
        }

        @Test("what stays in one rank's weights ends a run that skips, before a checkpoint is made of it")
        func staysWrong() throws {
            let (run, outcome, _) = try train("skip", drill: "nan:1:7")
            #expect(outcome.status == 6)
            expectComplaint(outcome, ["conv1.weight differs between ranks 0 (", "), 1 ("])
            #expect(try run.latest().step == 5)
        }

        @Test(
            "no checkpoint is made of weights that an update has carried beyond floats",
            arguments: ["stop", "rollback"])
        func overflow(policy: String) throws {
            let run = TrainedRun(path: try Scratch.folder() + "/run")
            let outcome = try robustmoe(
                TrainedRun.arguments(
                    run.path,
                    [
                        "training.on_nonfinite=\(policy)", "training.checkpoint_every=1",
                        "training.optimizer.rate=1e39",
                    ]))
            #expect(outcome.status == 5, "\(outcome.errors)")
            let words =
                policy == "stop" ? ["is not finite after it", "no checkpoint"] : ["number 10 in a row", "expected"]
            expectComplaint(outcome, words)
            // Under rollback there is the one of the beginning, and steps that are left out change nothing.
            #expect((try? run.latest()) == nil || policy == "rollback")
        }

        @Test("the probe's accuracy and the gap stand beside the attack's, and nothing else changes")
        func probe() throws {
            let run = TrainedRun(path: try Scratch.folder() + "/run")
            let outcome = try robustmoe(
                TrainedRun.arguments(run.path, ["evaluation.probe_samples=20"]), ranks: 2)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("of 20 images") && outcome.output.contains("robust gap"))
            let plain = try TrainedRun.onTwoRanks.get()
            let own = ["probe_accuracy", "robust_gap"]
            func others(_ rows: [[String: String]]) -> [[String: String]] {
                rows.map { row in row.filter { !own.contains($0.key) } }
            }
            let rows = try run.comparableRows("metrics.csv")
            let expected = try plain.comparableRows("metrics.csv")
            #expect(others(rows) == others(expected))
            #expect(expected.allSatisfy { row in own.allSatisfy { row[$0] == "" } })
            let probed = rows.filter { $0["probe_accuracy"] != "" }
            #expect(probed.count == 3)
            for row in probed {
                #expect(row["split"] == "test" && row["inputs"] == "pgd-linf-8of255-1" && row["schema_version"] == "3")
                let numbers = (own + ["accuracy"]).compactMap { row[$0].flatMap { Double($0) } }
                #expect(numbers.count == 3 && abs(numbers[0] - numbers[1] - numbers[2]) < 1e-6)
                #expect((20 * numbers[0]).rounded() == 20 * numbers[0])
            }
            let weights = try [run, plain].map { try $0.latest().files["model.safetensors"]?.sha256 }
            #expect(weights[0] == weights[1])
        }
    }
}
