import Foundation
import Testing

extension CommandSuite {
    @Suite("Pruning", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct PruningCommandTests {
        private static let small = [
            "model.width=4", "training.method=pgd", "training.epochs=1", "training.global_batch=16",
            "training.checkpoint_every=2", "training.keep=9", "training.optimizer.rate=0.05", "attack.steps=1",
            "data.dataset=synthetic", "data.train_samples=64", "data.test_samples=20", "evaluation.chunk=8",
        ]

        private func train(_ run: String, _ more: [String], ranks: Int? = nil, status: Int = 0) throws -> TrainedRun {
            let outcome = try robustmoe(["train", "--output", run] + Self.small + more, ranks: ranks)
            #expect(outcome.status == status, "\(outcome.errors)")
            return TrainedRun(path: run)
        }

        @Test("pretrain, scores on one, two and three ranks, a resumption, finetuning, and two ways to evaluate")
        func chain() throws {
            let folder = try Scratch.folder()
            let dense = try train(folder + "/dense", [])
            let scoring = [
                "training.parameters=scores", "training.scores.filter_share=0.5", "distributed.batch_norm=synchronized",
                "distributed.deterministic_shards=6", "training.initial_checkpoint=\(dense.path)",
            ]
            let scores = try train(folder + "/scores", scoring)
            for ranks in [2, 3] {
                try train(folder + "/scores\(ranks)", scoring, ranks: ranks).expectSameMasks(as: scores)
            }
            let stopped = folder + "/stopped"
            _ = try train(stopped, scoring + ["training.stop_after_steps=2"], status: 75)
            let resumed = try robustmoe(["train", "--output", stopped, "--resume", "auto"])
            #expect(resumed.status == 0, "\(resumed.errors)")
            try TrainedRun(path: stopped).expectSameMasks(as: scores)

            let tuning = ["model.masks=\(scores.path)", "training.initial_checkpoint=\(scores.path)"]
            let outcome = try robustmoe(["train", "--output", folder + "/sparse"] + Self.small + tuning)
            #expect(outcome.status == 0 && outcome.output.contains("pruned to 120 of 240 filters"), "\(outcome.errors)")
            let sparse = TrainedRun(path: folder + "/sparse")
            // What it began from is needed no more.
            try FileManager.default.moveItem(atPath: scores.path, toPath: folder + "/moved")
            let half = sparse.path + "/checkpoints/step-00000002"
            let again = try robustmoe(["train", "--output", folder + "/again", "--resume", half])
            #expect(again.status == 0, "\(again.errors)")
            let ends = try [sparse, TrainedRun(path: folder + "/again")].map { try $0.latest() }
            #expect(ends[0].files["model.safetensors"]?.sha256 == ends[1].files["model.safetensors"]?.sha256)

            // The file of weights is that of the whole network: what another program would load.
            let file = try sparse.latest().path + "/model.safetensors"
            let settings = ["data.dataset=synthetic", "data.test_samples=20", "evaluation.chunk=8", "attack.steps=1"]
            for (checkpoint, options, name) in [
                (sparse.path, [String](), "left"), (file, ["--layout", "robustmoe"], "whole"),
            ] {
                let outcome = try robustmoe(
                    ["evaluate", "--checkpoint", checkpoint, "--output", "\(folder)/\(name)"] + options + settings)
                #expect(outcome.status == 0, "\(outcome.errors)")
            }
            let tables = try ["left", "whole"].map { name in
                try TrainedRun(path: "\(folder)/\(name)").rows("per_sample.csv").map { row in
                    (row["clean_prediction"], row["clean_loss"].flatMap { Double($0) } ?? 0)
                }
            }
            #expect(tables[0].count == 20)
            let costs = try ["left", "whole"].map { name in
                try TrainedRun(path: "\(folder)/\(name)").rows("cost.csv").map {
                    $0["multiply_adds"].flatMap { Int($0) } ?? 0
                }
            }
            // What is left, with routers (none), with all experts (none), as the paper counts; and the whole.
            #expect(costs[0][0] * 2 < costs[1][0] && costs[0][3] < costs[0][0] && costs[1].count == 3)
            for (left, whole) in zip(tables[0], tables[1]) {
                #expect(left.0 == whole.0 && abs(left.1 - whole.1) < 1e-5 * (1 + whole.1))
            }
        }

        @Test("pathways are compared with masks, and what holds none is refused")
        func overlap() throws {
            let folder = try Scratch.folder()
            let scores = try train(folder + "/scores", ["training.parameters=scores"])
            let channels = ["moe.kind=channel", "moe.experts=2", "model.ratio=0.5"]
            let mixture = try train(folder + "/mixture", channels)
            func evaluate(_ masks: String, _ output: String) throws -> CommandJob.Outcome {
                try robustmoe([
                    "evaluate", "--checkpoint", mixture.path, "--output", folder + "/" + output,
                    "evaluation.masks=\(masks)",
                ])
            }
            let outcome = try evaluate(scores.path, "overlap")
            #expect(outcome.status == 0, "\(outcome.errors)")
            let table = TrainedRun(path: folder + "/overlap")
            let rows = try table.rows("mask_overlap.csv")
            #expect(rows.count == 100 && Set(rows.compactMap { $0["inputs"] }).count == 2)
            for input in ["clean", "pgd-linf-8of255-1"] {
                let own = rows.filter { $0["inputs"] == input }
                #expect(own.compactMap { $0["count"].flatMap { Int($0) } }.reduce(0, +) == 20)
            }
            #expect(try table.rows("dissection.csv").allSatisfy { !($0["mask_overlap"] ?? "").isEmpty })
            let refused = try evaluate(mixture.path, "refused")
            #expect(refused.status == 4 && refused.errors.contains("holds no masks"), "\(refused.errors)")
            let unpruned = try robustmoe(
                ["train", "--output", folder + "/none"] + Self.small + ["model.masks=\(mixture.path)"])
            #expect(unpruned.status == 4 && unpruned.errors.contains("training.parameters: scores"))
            #expect(!Scratch.exists(folder + "/none/metrics.csv"))
        }
    }
}

extension TrainedRun {
    /// Expects the state of another run's last checkpoint, scores and masks, bit for bit.
    fileprivate func expectSameMasks(as other: TrainedRun, _ location: SourceLocation = #_sourceLocation) throws {
        for file in ["model.safetensors", "state.safetensors"] {
            let hash = try #require(try latest().files[file]?.sha256, sourceLocation: location)
            #expect(try hash == other.latest().files[file]?.sha256, "\(file)", sourceLocation: location)
        }
    }
}
