import Foundation
import Testing

@testable import Files

extension CommandSuite {
    @Suite("Conversion", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct ConvertTests {
        /// What a file of weights does not tell of the small run.
        private static let data = [
            "data.dataset=synthetic", "data.train_samples=128", "data.test_samples=40", "evaluation.chunk=8",
            "evaluation.attacks.0.steps=2",
        ]

        private func tables(_ arguments: [String], ranks: Int? = nil) throws -> TrainedRun {
            let output = try Scratch.folder() + "/out"
            let outcome = try robustmoe(arguments + ["--output", output] + Self.data, ranks: ranks)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return TrainedRun(path: output)
        }

        @Test("a converted network evaluates as the run's checkpoint does, on any number of ranks, experts too")
        func evaluates() throws {
            let run = try TrainedRun.onTwoRanks.get().path
            let file = try Scratch.folder() + "/foreign.safetensors"
            let converted = try robustmoe(["convert", "--from", "robustmoe", "--to", "robust-sparse-moes", run, file])
            #expect(converted.status == 0, "\(converted.errors)")
            #expect(
                converted.output.contains("resnet18, cifar stem, width 4")
                    && converted.output.contains("3 conv experts"))
            let (known, foreign) = (
                ["--checkpoint", run],
                [
                    "--checkpoint", file, "--layout", "robust-sparse-moes", "model.normalize=dataset", "moe.top_k=1",
                ]
            )
            let expected = try tables(["evaluate"] + known)
            for ranks in [nil, 2] {
                let found = try tables(["evaluate"] + foreign, ranks: ranks)
                #expect(try found.comparableRows("per_sample.csv") == expected.comparableRows("per_sample.csv"))
                let row = try #require(try found.rows("evaluation.csv").first)
                #expect(row["checkpoint"] == "foreign.safetensors" && row["checkpoint_sha256"]?.count == 64)
                #expect(row["flags"] == "assumed moe.weights=renormalised;assumed moe.straight_through=true")
                #expect(row["normalization"] == "synthetic")
            }
            let layer = ["--layer", "layer4.1.conv1"]
            func correct(_ run: TrainedRun) throws -> [String?] {
                try run.rows("fixed_experts.csv").map { $0["correct"] }
            }
            #expect(try correct(tables(["experts"] + foreign + layer)) == correct(tables(["experts"] + known + layer)))
            let back = try Scratch.folder() + "/back.safetensors"
            let returned = try robustmoe(
                [
                    "convert", "--from", "robust-sparse-moes", "--to", "robustmoe", "--normalize", "synthetic", file,
                    back,
                ])
            #expect(returned.status == 0, "\(returned.errors)")
            let original = try TrainedRun.onTwoRanks.get().latest().path + "/model.safetensors"
            #expect(
                try Data(contentsOf: URL(fileURLWithPath: back)) == Data(contentsOf: URL(fileURLWithPath: original)))
        }

        @Test(
            "a weight that is not finite is named and refused, of an expert that nobody chose too, by all that read it")
        func notFinite() throws {
            let folder = try Scratch.folder()
            let latest = try TrainedRun.onTwoRanks.get().latest()
            let name = "layer4.1.conv2.experts.1.weight"
            var tensors = try latest.tensors(in: "model.safetensors")
            let whole = try #require(tensors[name])
            guard case .float(var values) = whole.values else { return }
            values[5] = .nan
            values[7] = .infinity
            tensors[name] = NamedTensor(name: name, shape: whole.shape, values: .float(values))
            let broken = Array(tensors.values)
            let store = CheckpointStore(directory: folder + "/run/checkpoints")
            let files = try latest.files.keys.filter { $0 != "model.safetensors" }.map {
                CheckpointFile(name: $0, bytes: try latest.data(in: $0))
            }
            let checkpoint = try store.write(
                step: latest.step, files: files + [CheckpointFile(name: "model.safetensors", tensors: broken)])
            let file = checkpoint.path + "/model.safetensors"
            let output = folder + "/out"
            for arguments in [
                ["evaluate", "--checkpoint", checkpoint.path, "--output", output],
                ["evaluate", "--checkpoint", file, "--layout", "robustmoe", "--output", output, "moe.top_k=1"]
                    + Self.data,
                ["experts", "--checkpoint", checkpoint.path, "--output", output],
                ["convert", "--from", "robustmoe", "--to", "robust-sparse-moes", file, output],
                ["train", "--resume", checkpoint.path, "--output", output, "training.epochs=4"],
                TrainedRun.arguments(output, ["training.initial_checkpoint=\(checkpoint.path)"]),
            ] {
                let outcome = try robustmoe(arguments)
                #expect(outcome.status == 5, "\(arguments[0]): \(outcome.status), \(outcome.errors)")
                #expect(
                    outcome.errors.contains("2 of the \(values.count) values of \(name) are not finite")
                        && outcome.errors.contains("index 5"), "\(arguments[0]): \(outcome.errors)")
                #expect(!Scratch.exists(output + "/metrics.csv") && !Scratch.exists(output + "/evaluation.csv"))
            }
            #expect(!FileManager.default.fileExists(atPath: output))
        }

        @Test("wrong layouts, files and networks end with their status and reason")
        func mistakes() throws {
            let run = try TrainedRun.onTwoRanks.get().path
            let file = try TrainedRun.onTwoRanks.get().latest().path + "/model.safetensors"
            func expect(_ status: Int, _ phrase: String, _ arguments: [String]) throws {
                let outcome = try robustmoe(arguments)
                #expect(outcome.status == status && outcome.errors.contains(phrase), "\(outcome.errors)")
            }
            let output = try Scratch.folder() + "/out"
            try expect(
                2, "robust-sparse-moes",
                ["convert", "--from", "x", "--to", "torchvision", file, output])
            try expect(4, "has no mixtures", ["convert", "--from", "robustmoe", "--to", "torchvision", run, output])
            try expect(2, "is a directory", ["convert", "--from", "torchvision", "--to", "robustmoe", run, output])
            try expect(2, "pass --layout", ["evaluate", "--checkpoint", file, "--output", output])
            let evaluate = ["evaluate", "--checkpoint", file, "--layout", "robustmoe", "--output", output] + Self.data
            try expect(
                2, "does not tell how many of the 3 experts an image goes to; expected moe.top_k=1 to 3", evaluate)
            let told = evaluate + ["moe.top_k=1"]
            try expect(
                4, "conv1.weight has shape [4, 3, 3, 3], this model has [8, 3, 3, 3]", told + ["model.width=8"])
            try expect(4, "expected a tensor layer4.0.conv1.experts.3.weight", told + ["moe.experts=4"])
            try expect(4, "normalises with", told + ["model.normalize=none"])
            try expect(4, "evaluation.weights is average", told + ["evaluation.weights=average"])
            #expect(!Scratch.exists(output))
        }
    }
}
