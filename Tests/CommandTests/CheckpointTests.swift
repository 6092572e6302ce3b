import Foundation
import Testing

@testable import Files

extension CommandSuite {
    @Suite("Checkpoints", .serialized)
    struct CheckpointTests {
        private func runs() throws -> (whole: TrainedRun, copy: TrainedRun) {
            let run = try TrainedRun.onOneRank.get()
            return (run, TrainedRun(path: try Scratch.copy(of: run.path)))
        }

        private func evaluate(_ checkpoint: String, _ more: [String] = []) throws -> CommandJob.Outcome {
            try robustmoe(["evaluate", "--checkpoint", checkpoint, "--output", try Scratch.folder() + "/out"] + more)
        }

        @Test("a checkpoint of another architecture is refused with the first name that differs and both shapes")
        func otherArchitecture() throws {
            let run = try TrainedRun.onOneRank.get()
            let shapes = ["conv1.weight", "[4, 3, 3, 3]", "[8, 3, 3, 3]"]
            let evaluated = try evaluate(run.path, ["model.width=8"])
            #expect(evaluated.status == 4)
            expectComplaint(evaluated, shapes)
            let resumed = try robustmoe(TrainedRun.arguments(run.path, ["--resume", "auto", "model.width=8"]))
            #expect(resumed.status == 4)
            expectComplaint(resumed, shapes + ["model.width: the checkpoint has 4, this run has 8"])
            let deeper = try evaluate(run.path, ["model.architecture=resnet34"])
            #expect(deeper.status == 4)
            expectComplaint(deeper, ["layer1.2.conv1.weight", "[4, 4, 3, 3]", "found none"])
        }

        enum Damage: String, CaseIterable {
            case byte, cut, missing, manifest

            func happen(to checkpoint: String) throws {
                let model = checkpoint + "/model.safetensors"
                switch self {
                case .byte: try Scratch.damage(model)
                case .cut: truncate(model, 1000)
                case .missing: unlink(model)
                case .manifest: try Data("{".utf8).write(to: URL(fileURLWithPath: checkpoint + "/manifest.json"))
                }
            }

            var reason: String {
                switch self {
                case .byte: "model.safetensors: expected SHA-256 "
                case .cut: "bytes, found 1000"
                case .missing: "model.safetensors: expected a file of "
                case .manifest: "manifest.json: expected JSON"
                }
            }
        }

        @Test(
            "a damaged checkpoint is refused with a reason, and the newest whole one goes on",
            arguments: Damage.allCases)
        func damaged(_ damage: Damage) throws {
            let (whole, run) = try runs()
            let newest = try run.latest().path
            try damage.happen(to: newest)
            let before = try Scratch.contents(of: run.path)
            for outcome in [
                try evaluate(newest), try robustmoe(["train", "--resume", newest]),
                try robustmoe(["train", "--output", run.path, "--resume", newest]),
            ] {
                #expect(outcome.status == 4)
                expectComplaint(outcome, [newest, damage.reason])
            }
            #expect(try Scratch.contents(of: run.path) == before)

            let resumed = try robustmoe(["train", "--output", run.path, "--resume", "auto"])
            #expect(resumed.status == 0, "\(resumed.errors)")
            #expect(resumed.output.contains("warning: checkpoint step-00000027 is not used: \(newest)"))
            #expect(resumed.output.contains("resumed from step-00000025"))
            try run.expectSame(as: whole)
        }

        @Test("where no whole checkpoint is left, --resume auto loses nothing and says so")
        func allDamaged() throws {
            let run = try runs().copy
            let store = run.path + "/checkpoints"
            for name in try FileManager.default.contentsOfDirectory(atPath: store) where name.hasPrefix("step-") {
                try Scratch.damage("\(store)/\(name)/optimizer.safetensors")
            }
            let tables = try TrainedRun.tables.map(run.rows)
            let outcome = try robustmoe(["train", "--output", run.path, "--resume", "auto"])
            #expect(outcome.status == 4)
            expectComplaint(outcome, [run.path, "expected a whole checkpoint", "--force"])
            #expect(try TrainedRun.tables.map(run.rows) == tables)
        }

        @Test("a checkpoint's path alone goes on in its own run, and in another directory begins another one")
        func byPath() throws {
            let (whole, run) = try runs()
            let earlier = run.path + "/checkpoints/step-00000015"
            let elsewhere = try Scratch.folder() + "/run"
            let forked = try robustmoe(["train", "--output", elsewhere, "--resume", earlier])
            #expect(forked.status == 0, "\(forked.errors)")
            #expect(
                try TrainedRun(path: elsewhere).latest().files["model.safetensors"]
                    == whole.latest().files["model.safetensors"])
            #expect(try TrainedRun(path: elsewhere).rows("metrics.csv").first?["step"] == "16")
            let occupied = try robustmoe(["train", "--output", elsewhere, "--resume", earlier])
            #expect(occupied.status == 2)

            let continued = try robustmoe(["train", "--resume", earlier])
            #expect(continued.status == 0, "\(continued.errors)")
            try run.expectSame(as: whole)
        }

        @Test("an evaluation neither replaces a run nor other results unasked")
        func evaluationOverRun() throws {
            let run = try TrainedRun.onOneRank.get()
            let before = try Scratch.contents(of: run.path)
            let over = try robustmoe(["evaluate", "--checkpoint", run.path, "--output", run.path, "--force"])
            #expect(over.status == 2)
            expectComplaint(over, [run.path, "training run"])
            #expect(try Scratch.contents(of: run.path) == before)

            let output = try Scratch.folder() + "/out"
            let evaluation = ["evaluate", "--checkpoint", run.path, "--output", output, "evaluation.samples=8"]
            #expect(try robustmoe(evaluation).status == 0)
            let results = try Scratch.contents(of: output)
            #expect(try robustmoe(evaluation).status == 2)
            #expect(try robustmoe(evaluation + ["--force", "data.path=/no", "data.dataset=mnist"]).status == 3)
            #expect(try Scratch.contents(of: output) == results)
            #expect(try robustmoe(evaluation + ["--force"]).status == 0)
            #expect(try TrainedRun(path: output).rows("evaluation.csv").count == 3)
        }

        @Test("weights that give no finite loss end an evaluation with 5 and the layer's name")
        func notFinite() throws {
            let run = try runs().copy
            let checkpoint = try run.latest()
            var tensors = try checkpoint.tensors(in: "model.safetensors")
            let bias = try #require(tensors["layer3.1.bn2.bias"])
            tensors["layer3.1.bn2.bias"] = NamedTensor(
                name: bias.name, shape: bias.shape,
                values: .float([Float](repeating: .greatestFiniteMagnitude, count: bias.values.count)))
            let files = try checkpoint.files.keys.map { name in
                name == "model.safetensors"
                    ? CheckpointFile(name: name, tensors: Array(tensors.values))
                    : CheckpointFile(name: name, bytes: try checkpoint.data(in: name))
            }
            try CheckpointStore(directory: run.path + "/checkpoints").write(step: checkpoint.step, files: files)
            let outcome = try evaluate(run.path)
            #expect(outcome.status == 5)
            expectComplaint(outcome, ["evaluating the clean images", "for images 0, 1, 2, 3, 4 and 3 more", " gave "])
        }
    }
}
