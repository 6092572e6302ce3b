import Foundation
import Testing

extension CommandSuite {
    @Suite("Fixed experts", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct ExpertsTests {
        private static let layers = ["layer4.0.conv2", "layer4.1.conv1"]

        private func experts(_ ranks: Int?) throws -> TrainedRun {
            let output = try Scratch.folder() + "/out"
            let outcome = try robustmoe(
                [
                    "experts", "--checkpoint", try TrainedRun.onTwoRanks.get().path, "--output", output, "--layer",
                    Self.layers[1], "--layer", Self.layers[0], "evaluation.attacks.0.steps=2",
                    "evaluation.attacks.1.name=apgd-ce", "evaluation.attacks.1.steps=2",
                ], ranks: ranks)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return TrainedRun(path: output)
        }

        @Test("one, two and three ranks give the same tables, with every expert beside the gate")
        func ranks() throws {
            let alone = try experts(nil)
            let rows = try alone.rows("fixed_experts.csv")
            let inputs = ["clean", "pgd-linf-8of255-2", "apgd-ce-linf-8of255-2"]
            let expected = Self.layers.flatMap { layer in
                ["0", "1", "2", "gated"].flatMap { expert in inputs.map { [layer, expert, $0] } }
            }
            #expect(rows.map { row in ["layer", "expert", "inputs"].map { row[$0] ?? "" } } == expected)
            let gated = try alone.rows("evaluation.csv").prefix(3).map { $0["correct"] }
            for layer in Self.layers {
                let own = rows.filter { $0["layer"] == layer && $0["expert"] == "gated" }
                #expect(own.map { $0["correct"] } == gated)
                #expect(own.allSatisfy { $0["against_gate"] == "" && $0["accuracy"] == $0["gated_accuracy"] })
            }
            #expect(rows.allSatisfy { $0["samples"] == "40" && $0["checkpoint"] == "step-00000027" })
            #expect(Set(rows.filter { $0["inputs"] == "clean" }.map { $0["loss"] }).count > 1)
            let classes = try alone.rows("expert_classes.csv").filter {
                $0["inputs"] == "clean" && $0["layer"] == "layer4.0.conv1"
            }
            #expect(classes.count == 3 * 10)
            #expect(classes.compactMap { $0["count"].flatMap { Int($0) } }.reduce(0, +) == 40)
            #expect(try alone.rows("classes.csv").filter { $0["inputs"] == "clean" }.count == 10)
            let scores = try alone.rows("router_scores.csv").filter {
                $0["inputs"] == "clean" && $0["layer"] == "layer4.0.conv1"
            }
            let counts = scores.compactMap { Int($0["count"] ?? "") }
            #expect(counts.count == 60 && counts.reduce(0, +) == 120)
            let maps = try Data(contentsOf: URL(fileURLWithPath: "\(alone.path)/expert_maps.png"))
            let tables =
                TrainedRun.tables + [
                    "fixed_experts.csv", "classes.csv", "expert_classes.csv", "router_scores.csv", "examples.csv",
                ]
            for ranks in [2, 3] {
                let other = try experts(ranks)
                #expect(try Data(contentsOf: URL(fileURLWithPath: "\(other.path)/expert_maps.png")) == maps)
                for table in tables {
                    #expect(try other.comparableRows(table) == alone.comparableRows(table), "\(table), \(ranks) ranks")
                }
            }
        }

        @Test("a layer that is none, a network without experts, and averages that were not kept are told")
        func mistakes() throws {
            let run = try TrainedRun.onTwoRanks.get().path
            func expect(_ status: Int, _ phrases: [String], _ checkpoint: String, _ more: [String]) throws {
                let output = try Scratch.folder() + "/out"
                let outcome = try robustmoe(["experts", "--checkpoint", checkpoint, "--output", output] + more)
                #expect(outcome.status == status)
                for phrase in phrases { #expect(outcome.errors.contains(phrase), "\(phrase): \(outcome.errors)") }
                #expect(!Scratch.exists(output + "/config.yaml") && !Scratch.exists(output + "/evaluation.csv"))
            }
            try expect(2, ["--layer layer4.0", "layer4.0.conv1"], run, ["--layer", "layer4.0"])
            try expect(2, ["moe.routes", "moe.experts, 3"], run, ["moe.routes=9"])
            try expect(4, ["evaluation.weights", "training.weight_average"], run, ["evaluation.weights=average"])
            let dense = try Scratch.folder() + "/dense"
            let trained = try robustmoe(
                TrainedRun.arguments(dense, ["moe.kind=none", "training.stop_after_steps=1"]))
            #expect(trained.status == 75)
            try expect(2, ["no mixture layer"], dense, [])
        }

        @Test("the reference's preset trains by its methods, keeps averages, and its checkpoints evaluate")
        func preset() throws {
            let free = ["training.method=free", "training.free.replays=2", "training.weight_average=0.9"]
            for method in [["training.method=pgd"], free] {
                let run = TrainedRun(path: try Scratch.folder() + "/run")
                let small = [
                    "train", "--output", run.path, "preset=robust-sparse-moes", "model.width=4", "moe.kind=block",
                    "moe.experts=2", "moe.balance.loss=switch", "training.epochs=2", "training.global_batch=20",
                    "attack.steps=1", "data.dataset=synthetic", "data.train_samples=50", "data.test_samples=10",
                    "evaluation.attacks.0.steps=1", "evaluation.attacks.1.steps=1",
                ]
                let outcome = try robustmoe(small + method, ranks: 2)
                #expect(outcome.status == 0, "\(outcome.errors)")
                let rows = try run.rows("metrics.csv")
                // 40 images are left: two steps an epoch. The first epoch has a hundredth of the rate.
                #expect(
                    rows.filter { $0["split"] == "train" }.map { $0["learning_rate"] } == ["0.001", "0.0535886731"])
                let clean = rows.filter { $0["inputs"] == "clean" && $0["split"] == "validation" }
                #expect(clean.map { $0["samples"] } == ["10", "10"])
                let attacked = rows.filter { $0["inputs"] == "apgd-ce-linf-8of255-1" }
                #expect(attacked.map { $0["epoch"] } == ["2"])
                let evaluated = try Scratch.folder() + "/evaluated"
                let isFree = method[0].hasSuffix("free")
                let again = try robustmoe(
                    ["evaluate", "--checkpoint", run.path, "--output", evaluated]
                        + (isFree ? ["evaluation.weights=average"] : []))
                #expect(again.status == 0, "\(again.errors)")
                let first = try TrainedRun(path: evaluated).rows("evaluation.csv").first
                let last = rows.last { $0["inputs"] == (isFree ? "clean@average" : "clean") }
                #expect(
                    first?["accuracy"] == last?["accuracy"] && first?["attack"] == (isFree ? "none@average" : "none"))
            }
        }
    }
}
