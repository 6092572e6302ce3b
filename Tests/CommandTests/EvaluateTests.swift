import Foundation
import Testing

extension CommandSuite {
    @Suite("Evaluating", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct EvaluateTests {
        private static let attacks = [
            "evaluation.attacks.0.steps=2", "evaluation.attacks.1.name=fgsm", "evaluation.attacks.2.id=strong",
            "evaluation.attacks.2.epsilon=16/255", "evaluation.attacks.2.steps=2", "evaluation.attacks.2.restarts=2",
        ]

        private func evaluate(_ ranks: Int?, _ settings: [String] = []) throws -> TrainedRun {
            let output = try Scratch.folder() + "/out"
            let outcome = try robustmoe(
                ["evaluate", "--checkpoint", try TrainedRun.onTwoRanks.get().path, "--output", output] + settings,
                ranks: ranks)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return TrainedRun(path: output)
        }

        @Test("one, two and three ranks give the same tables")
        func ranks() throws {
            let alone = try evaluate(nil, EvaluateTests.attacks)
            #expect(try alone.rows("per_sample.csv").count == 40)
            let costs = try alone.rows("cost.csv").map { $0["counted"] ?? "" }
            #expect(costs == ["path", "path-and-routers", "all-experts"])
            for ranks in [1, 2, 3] {
                let other = try evaluate(ranks, EvaluateTests.attacks)
                for table in TrainedRun.tables + ["per_sample.csv"] {
                    #expect(try other.comparableRows(table) == alone.comparableRows(table), "\(table), \(ranks) ranks")
                }
            }
        }

        @Test("the accuracies are those of the run's last evaluation")
        func sameAsTraining() throws {
            let run = try TrainedRun.onTwoRanks.get()
            let rows = try evaluate(nil).rows("evaluation.csv")
            let columns = ["attack", "samples", "correct", "accuracy", "accuracy_low", "accuracy_high", "seed"]
            func chosen(_ rows: some Sequence<[String: String]>) -> [[String?]] {
                rows.map { row in columns.map { row[$0] } }
            }
            #expect(rows.count == 3)
            #expect(chosen(rows) == chosen(try run.rows("evaluation.csv").suffix(3)))
            #expect(rows.first?["checkpoint"] == "step-00000027")
            #expect(rows.first?["checkpoint_sha256"] == (try run.latest().files["model.safetensors"]?.sha256))
            #expect(rows.first?["run_id"] == (try run.rows("metrics.csv").first?["run_id"]))
        }

        @Test("attacks for mixtures and from other networks, and images that are written, read and judged the same")
        func attackMaterial() throws {
            let run = try TrainedRun.onTwoRanks.get().path
            let output = try evaluate(
                2,
                [
                    "evaluation.attacks=[{id: made, steps: 2}, {name: mixture, steps: 1}, "
                        + "{id: other, name: transfer, source: \"\(run)\", steps: 2}]",
                    "evaluation.write_images=true", "evaluation.samples=16",
                ])
            let rows = try output.rows("evaluation.csv")
            let names = rows.compactMap { $0["attack"] }
            let mixture = "mixture-linf-8of255-1"
            #expect(names.prefix(3) == ["none", "made", "\(mixture)/no-gate-gradient"])
            #expect(names.contains("\(mixture)/noise") && names.contains("\(mixture)/weakest-expert"))
            #expect(names.suffix(4) == ["\(mixture)/held-routes", mixture, "other", "worst-case"])
            // The network is its own source here.
            let images = try output.rows("per_sample.csv")
            #expect(images.count == 16 && images.allSatisfy { $0["made_loss"] == $0["other_loss"] })
            func read(_ settings: [String]) throws -> (status: Int, errors: String, output: TrainedRun) {
                let again = try Scratch.folder() + "/again"
                let outcome = try robustmoe(
                    [
                        "evaluate", "--checkpoint", run, "--output", again,
                        "evaluation.attacks=[{id: made, name: file, file: \"\(output.path)/made.safetensors\"}]",
                    ] + settings, ranks: nil)
                return (outcome.status, outcome.errors, TrainedRun(path: again))
            }
            let again = try read(["evaluation.samples=16"])
            #expect(again.status == 0, "\(again.errors)")
            for (old, new) in zip(images, try again.output.rows("per_sample.csv")) {
                for column in ["made_prediction", "made_loss", "made_distance"] { #expect(old[column] == new[column]) }
            }
            let missing = try read(["evaluation.samples=17"])
            #expect(missing.status == 2 && missing.errors.contains("image of index 16, found none"))
            let far = try read(["evaluation.samples=16", "evaluation.attacks.0.epsilon=1/255"])
            #expect(far.status == 2 && far.errors.contains("the image of index 0: attack left its ball"))
            #expect(!FileManager.default.fileExists(atPath: far.output.path + "/per_sample.csv"))
        }

        @Test("results are not taken for finished where the images of a file are other ones now")
        func changedFile() throws {
            let run = try TrainedRun.onOneRank.get().path
            func evaluate(_ output: String, _ settings: [String]) throws -> (status: Int, text: String) {
                let outcome = try robustmoe(
                    ["evaluate", "--checkpoint", run, "--output", output, "evaluation.samples=8"] + settings, ranks: nil
                )
                return (outcome.status, outcome.output + outcome.errors)
            }
            let folder = try Scratch.folder()
            let images = "\(folder)/made/made.safetensors"
            func make(_ steps: Int) throws {
                let made = try evaluate(
                    "\(folder)/made",
                    ["--force", "evaluation.attacks=[{id: made, steps: \(steps)}]", "evaluation.write_images=true"])
                #expect(made.status == 0, "\(made.text)")
            }
            let entry = "evaluation.attacks=[{id: read, name: file, file: \"\(images)\"}]"
            try make(1)
            #expect(try evaluate("\(folder)/read", [entry]).status == 0)
            let again = try evaluate("\(folder)/read", [entry, "--resume", "auto"])
            #expect(again.status == 0 && again.text.contains("finished already"), "\(again.text)")
            try make(2)
            let other = try evaluate("\(folder)/read", [entry, "--resume", "auto"])
            #expect(other.status == 4, "\(other.text)")
            #expect(
                other.text.contains("what is in \(images): SHA-256") && other.text.contains("--force"), "\(other.text)")
        }

        @Test("a universal perturbation has a row, the same on two ranks; too few training images are refused")
        func universal() throws {
            let entry = "evaluation.attacks=[{name: universal, steps: 2, train_samples: 70, epsilon: 16/255}]"
            let alone = try evaluate(nil, [entry])
            let other = try evaluate(2, [entry])
            for table in ["evaluation.csv", "per_sample.csv"] {
                #expect(try other.comparableRows(table) == alone.comparableRows(table), "\(table)")
            }
            let rows = try alone.rows("evaluation.csv")
            let id = "universal-linf-16of255-2"
            #expect(rows.map { $0["attack"] } == ["none", id, "worst-case"])
            #expect(rows[1]["norm"] == "linf" && rows[1]["steps"] == "2" && rows[1]["restarts"] == "1")
            #expect(Double(rows[1]["epsilon"] ?? "").map { abs($0 - 16.0 / 255) < 1e-9 } == true)
            #expect(Double(rows[1]["step_size"] ?? "").map { abs($0 - 2.0 / 255) < 1e-9 } == true)
            // Two steps, one for each pass over less than a batch.
            let distances = try alone.rows("per_sample.csv").compactMap { Double($0["\(id)_distance"] ?? "") }
            #expect(distances.count == 40 && distances.allSatisfy { abs($0 - 4.0 / 255) < 1e-6 })
            let output = try Scratch.folder() + "/out"
            let outcome = try robustmoe(
                [
                    "evaluate", "--checkpoint", try TrainedRun.onTwoRanks.get().path, "--output", output,
                    "evaluation.attacks=[{name: universal, train_samples: 129}]",
                ], ranks: nil)
            #expect(outcome.status == 2)
            #expect(outcome.errors.contains("train_samples is 129, allowed are 1 to 128"), "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: output + "/evaluation.csv"))
        }

        @Test("the rows of the images add up to the rows of the attacks, and stay within the radius")
        func perSample() throws {
            let output = try evaluate(nil, EvaluateTests.attacks + ["output.per_sample_long=true"])
            let images = try output.rows("per_sample.csv")
            let header = try Scratch.text(output.path + "/per_sample.csv").prefix { $0 != "\n" }
            let ids = ["pgd-linf-8of255-2", "fgsm-linf-8of255", "strong"]
            let columns = ids.map { "\($0)_prediction,\($0)_loss,\($0)_distance,\($0)_flags" }.joined(separator: ",")
            #expect(header == "schema_version,run_id,index,label,clean_prediction,clean_loss,\(columns),robust")
            #expect(images.map { $0["index"] } == (0..<40).map { "\($0)" })
            func right(_ column: String) -> Int { images.count { $0[column] == $0["label"] } }
            let long = try output.rows("per_sample_long.csv")
            #expect(long.count == 40 * 4 && long.map { $0["attack"] }.prefix(4) == ["none"] + ids)
            for (image, rows) in zip(images, stride(from: 0, to: long.count, by: 4).map({ long[$0..<$0 + 4] })) {
                #expect(rows.allSatisfy { $0["index"] == image["index"] && $0["label"] == image["label"] })
                #expect(rows.allSatisfy { $0["correct"] == "true" } == (image["robust"] == "true"))
                for (row, name) in zip(rows, ["clean"] + ids) {
                    #expect(row["prediction"] == image["\(name)_prediction"] && row["loss"] == image["\(name)_loss"])
                }
            }
            let expected =
                [right("clean_prediction")] + ids.map { right("\($0)_prediction") } + [
                    images.count { $0["robust"] == "true" }
                ]
            let rows = try output.rows("evaluation.csv")
            #expect(rows.map { $0["attack"] } == ["none"] + ids + ["worst-case"])
            #expect(rows.map { $0["correct"] } == expected.map { "\($0)" })
            for (id, epsilon) in zip(ids, [8.0 / 255, 8.0 / 255, 16.0 / 255]) {
                let distances = images.compactMap { $0["\(id)_distance"].flatMap { Double($0) } }
                #expect(distances.count == 40)
                #expect((distances.max() ?? 1) <= epsilon + 0x1p-24 + 1e-10)
                #expect((distances.min() ?? 0) > epsilon / 2)
            }
        }
    }
}
