import Foundation
import Testing

extension CommandSuite {
    @Suite("Splits and identity of images", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct IdentityTests {
        static let pictures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("DatasetsTests/Fixtures").path
        private static let trained = Result {
            let run = TrainedRun(path: try Scratch.folder() + "/run")
            let settings = [
                "training.validation_fraction=0.25", "training.epochs=1", "evaluation.attacks=[]",
            ]
            let outcome = try robustmoe(TrainedRun.arguments(run.path, settings))
            #expect(outcome.status == 0, "\(outcome.errors)")
            return run
        }

        private func evaluate(_ run: TrainedRun, _ settings: [String]) throws -> (CommandJob.Outcome, TrainedRun) {
            let output = try Scratch.folder() + "/out"
            let outcome = try robustmoe(["evaluate", "--checkpoint", run.path, "--output", output] + settings)
            return (outcome, TrainedRun(path: output))
        }

        @Test("evaluating keeps the checkpoint's validation images; evaluation.seed alone draws other attacks")
        func validation() throws {
            let run = try Self.trained.get()
            let attack = ["evaluation.attacks=[{steps: 1}]"]
            let (same, first) = try evaluate(run, attack)
            let (other, second) = try evaluate(run, attack + ["evaluation.seed=18446744073709551615"])
            #expect(same.status == 0 && other.status == 0, "\(same.errors) \(other.errors)")
            let (rows, others) = (try first.rows("per_sample.csv"), try second.rows("per_sample.csv"))
            #expect(rows.map { $0["index"] } == others.map { $0["index"] } && rows.count == 32)
            #expect(rows.map { $0["clean_loss"] } == others.map { $0["clean_loss"] })
            #expect(rows.map { $0["pgd-linf-8of255-1_loss"] } != others.map { $0["pgd-linf-8of255-1_loss"] })
            #expect(try second.rows("evaluation.csv")[1]["seed"] == "18446744073709551615")
            for setting in ["training.seed=7", "training.validation_fraction=0.5", "data.train_samples=100"] {
                let (outcome, output) = try evaluate(run, [setting])
                #expect(outcome.status == 4)
                expectComplaint(outcome, [String(setting.prefix { $0 != "=" }), " images", "evaluation.seed"])
                #expect(!Scratch.exists(output.path))
            }
        }

        @Test("a run goes on with the same images wherever they lie, and with no others")
        func moved() throws {
            let folder = try Scratch.folder()
            func copy(_ picture: Int, to path: String) throws {
                let pictures = ["rgb.png", "rgba.png", "grey.png", "palette.png", "bits.png"]
                try? FileManager.default.removeItem(atPath: path)
                try FileManager.default.copyItem(
                    atPath: "\(Self.pictures)/\(pictures[picture % pictures.count])", toPath: path)
            }
            func write(_ place: String, classes: [String], images: Int) throws {
                for split in ["train", "val"] {
                    for (label, name) in classes.enumerated() {
                        let path = "\(place)/\(split)/\(name)"
                        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                        for image in 0..<images { try copy(label + image, to: "\(path)/\(image).png") }
                    }
                }
            }
            try write(folder + "/first", classes: ["bee", "cat"], images: 4)
            let settings = [
                "model.width=4", "training.epochs=2", "training.global_batch=4", "data.dataset=folder",
                "data.resize=16",
                "evaluation.attacks=[]",
            ]
            let run = TrainedRun(path: folder + "/run")
            let begun = try robustmoe(
                ["train", "--output", run.path, "data.path=\(folder)/first", "training.stop_after_steps=2"] + settings)
            #expect(begun.status == 75, "\(begun.errors)")
            func resume(_ path: String) throws -> CommandJob.Outcome {
                try robustmoe([
                    "train", "--output", run.path, "--resume", "auto", "data.path=\(path)",
                    "training.stop_after_steps=3",
                ])
            }
            try write(folder + "/more", classes: ["bee", "cat"], images: 5)
            try write(folder + "/renamed", classes: ["bee", "dog"], images: 4)
            try write(folder + "/changed", classes: ["bee", "cat"], images: 4)
            try copy(3, to: folder + "/changed/train/bee/0.png")
            let refusals = [
                "more": "10 training images, the checkpoint has 8", "renamed": "class 1 is dog, the checkpoint has cat",
                "changed": "training images with the SHA-256",
            ]
            for (place, phrase) in refusals {
                let outcome = try resume("\(folder)/\(place)")
                #expect(outcome.status == 4)
                expectComplaint(outcome, [phrase, "data.path"])
            }
            let (judged, _) = try evaluate(run, ["data.path=\(folder)/renamed"])
            #expect(judged.status == 3)
            expectComplaint(judged, ["class 1 is dog, the checkpoint has cat"])
            try FileManager.default.moveItem(atPath: folder + "/first", toPath: folder + "/second")
            let moved = try resume(folder + "/second")
            #expect(moved.status == 75, "\(moved.errors)")
            let pack = folder + "/images.pack"
            let packed = try robustmoe(
                ["data", "pack", "--dataset", "folder", "--path", folder + "/second", pack, "data.resize=16"])
            #expect(packed.status == 0, "\(packed.errors)")
            let last = try robustmoe([
                "train", "--output", run.path, "--resume", "auto", "data.path=\(pack)", "data.resize=",
            ])
            #expect(last.status == 0, "\(last.errors)")
        }

        @Test("options are given once, and files of settings lie over each other in their order")
        func options() throws {
            let folder = try Scratch.folder()
            try "training: {epochs: 3, keep: 5}".write(toFile: folder + "/a.yaml", atomically: true, encoding: .utf8)
            try "training: {epochs: 1}".write(toFile: folder + "/b.yaml", atomically: true, encoding: .utf8)
            let run = folder + "/run"
            let outcome = try robustmoe(
                ["train", "--config", folder + "/a.yaml", "--config=" + folder + "/b.yaml", "--output", run]
                    + TrainedRun.settings.filter { !$0.hasPrefix("training.epochs") && !$0.hasPrefix("training.keep") })
            #expect(outcome.status == 0, "\(outcome.errors)")
            let settings = try Scratch.text(run + "/config.yaml")
            #expect(settings.contains("  epochs: 1\n") && settings.contains("  keep: 5\n"))
            for option in ["--output", "--checkpoint"] {
                let twice = try robustmoe([
                    "evaluate", "--checkpoint", run, "--output", folder + "/x", option, folder + "/y",
                ])
                #expect(twice.status == 2 && twice.errors.contains("\(option) is given more than once, expected once"))
            }
        }

        @Test("an attack that moved no image says so, on the console and in its row")
        func unmoved() throws {
            let (outcome, output) = try evaluate(
                try TrainedRun.onOneRank.get(), ["evaluation.attacks=[{steps: 1, epsilon: 0}, {steps: 1}]"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("warning: pgd-linf-0of255-1: moved no image"))
            let flags = try output.rows("evaluation.csv").map { $0["flags"] ?? "" }
            #expect(flags.count == 4 && flags[1] == "no-image-moved")
            #expect(flags.filter { $0.contains("no-image-moved") }.count == 1, "\(flags)")
        }
    }
}
