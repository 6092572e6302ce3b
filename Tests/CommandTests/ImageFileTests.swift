import Foundation
import Testing

extension CommandSuite {
    @Suite("Image files and packs", .serialized)
    struct ImageFileTests {
        private static let pictures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("DatasetsTests/Fixtures").path
        private static let names = [
            "rgb.jpg", "grey.jpg", "cmyk.jpg", "ycck.jpg", "rgb.png", "rgba.png", "grey.png", "palette.png", "bits.png",
        ]

        /// A folder of three classes with six training images and three validation images each.
        private func tree(_ more: [String: String] = [:]) throws -> String {
            let folder = try Scratch.folder()
            var files = more
            for (label, name) in ["ant", "bee", "cat"].enumerated() {
                for image in 0..<9 {
                    let split = image < 6 ? "train" : "val"
                    let picture = Self.names[(3 * label + 5 * image) % Self.names.count]
                    let place = "\(split)/\(name)/\(image).\(picture.suffix(3))"
                    if files[place] == nil { files[place] = picture }
                }
            }
            for (place, picture) in files {
                let target = URL(fileURLWithPath: "\(folder)/\(place)")
                try FileManager.default.createDirectory(
                    at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
                try FileManager.default.copyItem(
                    at: URL(fileURLWithPath: "\(Self.pictures)/\(picture)"), to: target)
            }
            return folder
        }

        private func pack(_ folder: String, _ more: [String] = []) throws -> String {
            let file = try Scratch.folder() + "/images.pack"
            let outcome = try robustmoe(
                ["data", "pack", "--dataset", "folder", "--path", folder, file, "data.resize=18"] + more)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("train: 18 images of 18 x 18 x 3, 3 classes of 6 each, files of 19 x 23"))
            #expect(outcome.output.contains("images/s decoded, resized and written by"))
            return file
        }

        private func train(
            _ path: String, _ more: [String], ranks: Int?
        ) throws -> (outcome: CommandJob.Outcome, run: TrainedRun) {
            let run = TrainedRun(path: try Scratch.folder() + "/run")
            let outcome = try robustmoe(
                [
                    "train", "--output", run.path, "data.dataset=folder", "data.path=\(path)", "data.crop=16",
                    "model.width=4", "moe.kind=conv", "moe.experts=2", "training.method=pgd", "attack.steps=1",
                    "training.epochs=2", "training.global_batch=8", "distributed.deterministic_shards=2",
                ] + more, ranks: ranks)
            return (outcome, run)
        }

        @Test(
            "a folder on two ranks trains as its pack does, on two ranks and on one, bit for bit",
            .enabled(if: CommandJob.hasMPI, "no mpirun"))
        func trains() throws {
            let folder = try tree()
            let file = try pack(folder)
            let (decoded, fromFolder) = try train(folder, ["data.resize=18"], ranks: 2)
            #expect(decoded.status == 0, "\(decoded.errors)")
            #expect(decoded.output.contains("pgd on 18 images of folder"))
            for ranks in [nil, 2] {
                let (mapped, fromPack) = try train(file, [], ranks: ranks)
                #expect(mapped.status == 0, "\(mapped.errors)")
                try fromPack.expectSame(as: fromFolder)
            }
        }

        @Test(
            "random resized crops are the same on two ranks as on one, and not what crops are",
            .enabled(if: CommandJob.hasMPI, "no mpirun"))
        func cropsAtRandom() throws {
            let file = try pack(tree())
            let setting = "data.augmentation=[random-resized-crop, flip]"
            let (alone, first) = try train(file, [setting], ranks: nil)
            #expect(alone.status == 0, "\(alone.errors)")
            try first.expectSame(as: train(file, [setting], ranks: 2).run)
            let losses = try first.rows("metrics.csv").map { $0["loss"] }
            #expect(try losses != train(file, [], ranks: nil).run.rows("metrics.csv").map { $0["loss"] })
        }

        @Test("evaluate reads the same images, and no training image where none is needed")
        func evaluates() throws {
            let folder = try tree()
            let (trained, run) = try train(folder, ["data.resize=18", "training.epochs=1"], ranks: nil)
            #expect(trained.status == 0, "\(trained.errors)")
            try FileManager.default.removeItem(atPath: folder + "/train")
            let output = try Scratch.folder() + "/results"
            let outcome = try robustmoe(["evaluate", "--checkpoint", run.path, "--output", output])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let rows = try TrainedRun(path: output).rows("evaluation.csv")
            // Clean, attacked, worst case.
            #expect(rows.map { $0["samples"] } == ["9", "9", "9"])
            #expect(
                try rows.map { $0["correct"] }
                    == run.rows("evaluation.csv").map { $0["correct"] })
        }

        @Test("corrupt images end a run with 3 before it begins, or are left out where the configuration says so")
        func corrupt() throws {
            let folder = try tree(["train/bee/2.jpg": "bomb.jpg", "train/cat/8.png": "zero.png"])
            let (refused, none) = try train(folder, ["data.resize=18"], ranks: nil)
            #expect(refused.status == 3)
            expectComplaint(
                refused,
                [
                    "2 of 20 images cannot be decoded", "train/bee/2.jpg (declares 65500 rows",
                    "train/cat/8.png (PNG: ", "data.corrupt=skip",
                ])
            #expect(try Scratch.contents(of: none.path).isEmpty)
            let (skipped, run) = try train(folder, ["data.resize=18", "data.corrupt=skip"], ranks: nil)
            #expect(skipped.status == 0, "\(skipped.errors)")
            #expect(skipped.output.contains("pgd on 18 images of folder"))
            let warning = "warning: \(folder): 2 of 20 images cannot be decoded and are left out: train/bee/2.jpg"
            #expect(skipped.output.contains(warning))
            #expect(try Scratch.text(run.path + "/events.log").contains(warning))

            let verified = try robustmoe(["data", "verify", "--dataset", "folder", "--path", folder, "data.resize=18"])
            #expect(verified.status == 3)
            expectComplaint(
                verified, ["error: train: corrupt: train/bee/2.jpg (declares 65500 rows", "train: 2 corrupt images"])
            #expect(verified.output.contains("test: 9 images of 18 x 18 x 3, 3 classes of 3 each"))
            let place = try Scratch.folder()
            let packed = try robustmoe(["data", "pack", "--dataset", "folder", "--path", folder, place + "/a.pack"])
            #expect(packed.status == 3)
            #expect(try Scratch.contents(of: place).isEmpty)
        }

        @Test("verify goes over every kind of set, says the same of a folder and its pack, and finds a changed byte")
        func verifies() throws {
            let folder = try tree()
            let file = try pack(folder)
            func sums(_ path: String) throws -> [Substring] {
                let outcome = try robustmoe(
                    ["data", "verify", "--dataset", "folder", "--path", path]
                        + (path == folder ? ["data.resize=18"] : []))
                #expect(outcome.status == 0, "\(outcome.output)")
                #expect(outcome.output.contains("all images can be used"))
                return outcome.output.split(separator: "\n").filter { $0.contains(": SHA-256 ") }
            }
            #expect(try sums(folder) == sums(file))
            #expect(try sums(folder).count == 2)
            var bytes = try Data(contentsOf: URL(fileURLWithPath: file))
            bytes[5000] ^= 1
            try bytes.write(to: URL(fileURLWithPath: file))
            let damaged = try robustmoe(["data", "verify", "--dataset", "folder", "--path", file])
            #expect(damaged.status == 3)
            expectComplaint(damaged, ["error: train: \(file): damaged: train has the SHA-256"])
            let (refused, _) = try train(file, [], ranks: nil)
            #expect(refused.status == 3)
            expectComplaint(refused, ["damaged: train has the SHA-256"])
            let synthetic = try robustmoe(["data", "verify", "--dataset", "synthetic"])
            #expect(synthetic.status == 0)
            #expect(synthetic.output.contains("train: 2000 images of 32 x 32 x 3, 10 classes of 200 each"))
            let missing = try robustmoe(["data", "verify", "--dataset", "cifar10", "--path", "/no/such"])
            #expect(missing.status == 3)
        }

        @Test("what cannot be is refused: settings of other sets, packs of packs, an output that is there")
        func usage() throws {
            for setting in ["data.resize=32", "data.resize_mode=squash", "data.crop=32", "data.corrupt=skip"] {
                let outcome = try robustmoe(["data", "verify", "--dataset", "cifar10", setting])
                #expect(outcome.status == 2)
                expectComplaint(outcome, [String(setting.prefix { $0 != "=" }), "folder or tiny-imagenet"])
            }
            let both = try robustmoe(["data", "verify", "data.augmentation=[crop, random-resized-crop]"])
            #expect(both.status == 2)
            expectComplaint(both, ["data.augmentation", "crop or random-resized-crop"])
            let folder = try tree()
            let file = try pack(folder)
            let mode = try robustmoe(
                ["data", "verify", "--dataset", "folder", "--path", file, "data.resize_mode=squash"])
            #expect(mode.status == 3)
            expectComplaint(mode, ["data.resize_mode is squash", "made with shorter-side"])
            let again = try robustmoe(["data", "pack", "--dataset", "folder", "--path", folder, file, "data.resize=18"])
            #expect(again.status == 2)
            expectComplaint(again, [file, "--force"])
            _ = try pack(folder, ["distributed.threads=2"])
            let cifar = try robustmoe(["data", "pack", "--dataset", "cifar10", file + "2"])
            #expect(cifar.status == 2)
            let twice = try robustmoe(["data", "pack", "--dataset", "folder", "--path", file, file + "2"])
            #expect(twice.status == 2)
            #expect(!Scratch.exists(file + "2"))
        }
    }
}
