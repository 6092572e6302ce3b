import Foundation
import Testing

extension CommandSuite {
    @Suite("Data", .serialized)
    struct DataTests {
        private static let recordSize = 3073

        private static func pattern(_ count: Int, below limit: Int) -> [UInt8] { (0..<count).map { UInt8($0 % limit) } }

        /// CIFAR-10 files of 20 images: label, then a plane a colour.
        private func cifar(_ change: (inout [UInt8]) -> Void = { _ in }) throws -> String {
            let folder = try Scratch.folder()
            var bytes = DataTests.pattern(20 * DataTests.recordSize, below: 251)
            for record in 0..<20 { bytes[record * DataTests.recordSize] = UInt8(record % 10) }
            try Data(bytes).write(to: URL(fileURLWithPath: folder + "/test_batch.bin"))
            change(&bytes)
            try Data(bytes).write(to: URL(fileURLWithPath: folder + "/data_batch_1.bin"))
            return folder
        }

        /// MNIST's files with 20 images each.
        private func mnist(_ change: (_ images: inout [UInt8], _ labels: inout [UInt8]) -> Void = { _, _ in }) throws
            -> String
        {
            let folder = try Scratch.folder()
            for split in ["t10k", "train"] {
                var images: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 28, 0, 0, 0, 28]
                images += DataTests.pattern(20 * 784, below: 251)
                var labels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 20] + DataTests.pattern(20, below: 10)
                if split == "train" { change(&images, &labels) }
                try Data(images).write(to: URL(fileURLWithPath: "\(folder)/\(split)-images-idx3-ubyte"))
                try Data(labels).write(to: URL(fileURLWithPath: "\(folder)/\(split)-labels-idx1-ubyte"))
            }
            return folder
        }

        private func train(_ dataset: String, _ folder: String) throws -> (outcome: CommandJob.Outcome, run: String) {
            let run = try Scratch.folder() + "/run"
            let outcome = try robustmoe([
                "train", "--output", run, "data.dataset=\(dataset)", "data.path=\(folder)", "model.width=4",
                "training.global_batch=8", "training.epochs=1",
            ])
            return (outcome, run)
        }

        private func expectRefusal(
            _ dataset: String, _ folder: String, _ phrases: [String], _ location: SourceLocation = #_sourceLocation
        ) throws {
            let (outcome, run) = try train(dataset, folder)
            #expect(outcome.status == 3, "\(outcome.errors)", sourceLocation: location)
            expectComplaint(outcome, phrases, location: location)
            #expect(!Scratch.exists(run), sourceLocation: location)
        }

        @Test("whole files train, with a warning where CIFAR-10 has fewer than five of them")
        func whole() throws {
            let (cifar, run) = try train("cifar10", try cifar())
            #expect(cifar.status == 0, "\(cifar.errors)")
            #expect(cifar.output.contains("warning: "))
            #expect(cifar.output.contains("1 of 5 training files"))
            #expect(cifar.output.contains("data_batch_1.bin: 20 images, the published file has 10000"))
            #expect(try Scratch.text(run + "/events.log").contains("1 of 5 training files"))
            let (mnist, _) = try train("mnist", try mnist())
            #expect(mnist.status == 0, "\(mnist.errors)")
            #expect(mnist.output.contains("train-images-idx3-ubyte: 20 images, the published file has 60000"))
        }

        @Test("a network for other images is no source of a transfer")
        func otherSource() throws {
            let other = try train("mnist", mnist())
            #expect(other.outcome.status == 0, "\(other.outcome.errors)")
            let output = try Scratch.folder() + "/out"
            let outcome = try robustmoe(
                [
                    "evaluate", "--checkpoint", try TrainedRun.onOneRank.get().path, "--output", output,
                    "evaluation.attacks=[{name: transfer, source: \"\(other.run)\"}]",
                ], ranks: nil)
            #expect(outcome.status == 2, "\(outcome.errors)")
            for words in ["source: the network of \(other.run)", "28 x 28 x 1 and 10 classes", "32 x 32 x 3"] {
                #expect(outcome.errors.contains(words), "\(words): \(outcome.errors)")
            }
            #expect(!Scratch.exists("\(output)/evaluation.csv"))
        }

        @Test("verify says the warnings of training, and what is wrong on stderr with 3")
        func verifies() throws {
            func verify(_ dataset: String, _ folder: String) throws -> CommandJob.Outcome {
                try robustmoe(["data", "verify", "--dataset", dataset, "--path", folder])
            }
            let folder = try cifar()
            let partial = try verify("cifar10", folder)
            #expect(partial.status == 0)
            func warnings(_ output: String) -> Set<Substring> {
                Set(output.split(separator: "\n").filter { $0.hasPrefix("warning: ") && $0.contains("images") })
            }
            let (trained, _) = try train("cifar10", folder)
            #expect(warnings(partial.output) == warnings(trained.output))
            #expect(warnings(partial.output).count == 3)
            #expect(partial.output.contains("all images can be used, but see the warnings"))
            let cut = try verify("cifar10", cifar { $0.removeLast(100) })
            #expect(cut.status == 3)
            expectComplaint(cut, ["error: train: ", "data_batch_1.bin", "record 19"])
            #expect(cut.output.contains("test: 20 images") && !cut.output.contains("can be used"))
            let long = try mnist()
            let file = URL(fileURLWithPath: long + "/train-labels-idx1-ubyte")
            try (Data(contentsOf: file) + [0]).write(to: file)
            let tooLong = try verify("mnist", long)
            #expect(tooLong.status == 3)
            expectComplaint(tooLong, ["error: train: ", "train-labels-idx1-ubyte", "goes on after its 20 records"])
        }

        @Test("verify counts the images of classes where they differ, and writes a contact sheet, once")
        func sheet() throws {
            let folder = try cifar { $0[7 * DataTests.recordSize] = 3 }
            let sheet = try Scratch.folder() + "/sheet.png"
            let arguments = ["data", "verify", "--dataset", "cifar10", "--path", folder, "--sheet", sheet]
            let outcome = try robustmoe(arguments)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("2 bird, 3 cat, 2 deer, 2 dog, 2 frog, 1 horse"))
            #expect(!outcome.output.contains("test: 2 airplane"))
            #expect(outcome.output.contains("wrote \(sheet): the first 10 images of each class"))
            let png = try Data(contentsOf: URL(fileURLWithPath: sheet))
            #expect(png.starts(with: [0x89, 0x50, 0x4e, 0x47]))
            let again = try robustmoe(arguments)
            #expect(again.status == 2)
            expectComplaint(again, [sheet, "--force"])
            #expect(try robustmoe(arguments + ["--force"]).status == 0)
        }

        @Test("fetch says what to type: without a network, with an odd mirror, for sets that nobody publishes")
        func fetch() throws {
            let folder = try Scratch.folder()
            let arguments = ["data", "fetch", "--path", folder]
            let unreachable = try robustmoe(arguments + ["tiny-imagenet", "--mirror", "file://\(folder)/no/such"])
            #expect(unreachable.status == 3)
            expectComplaint(
                unreachable,
                ["could not be fetched", "Without a network", "248100043 bytes", "\(folder)/tiny-imagenet-200.zip"])
            for (more, phrase) in [
                (["cifar10", "--mirror", "ftp://x"], "https://"), (["synthetic"], "expected cifar10"),
                (["imagenet"], "data.dataset"),
            ] {
                let outcome = try robustmoe(arguments + more)
                #expect(outcome.status == 2)
                expectComplaint(outcome, [phrase])
            }
            #expect(try Scratch.contents(of: folder).isEmpty)
        }

        @Test("fetch reads a set that is there already, and says the settings for it")
        func isThere() throws {
            let place = try Scratch.folder()
            try FileManager.default.moveItem(atPath: cifar(), toPath: place + "/cifar-10-batches-bin")
            let outcome = try robustmoe(["data", "fetch", "cifar10", "--path", place])
            #expect(outcome.status == 0, "\(outcome.errors)")
            for phrase in ["nothing was fetched", "train: SHA-256", "data.dataset=cifar10 data.path=\(place)"] {
                #expect(outcome.output.contains(phrase), "\(outcome.output)")
            }
        }

        @Test("missing files are named with the places looked at")
        func missing() throws {
            try expectRefusal("cifar10", "/no/such", ["cifar10", "data_batch_1.bin", "/no/such"])
            let folder = try Scratch.folder()
            try expectRefusal("mnist", folder, ["mnist", "train-images-idx3-ubyte", folder])
        }

        @Test("a file that was cut short is named with the record and the size it should have")
        func truncated() throws {
            let size = DataTests.recordSize
            let folder = try cifar { $0.removeLast(100) }
            try expectRefusal(
                "cifar10", folder,
                ["\(folder)/data_batch_1.bin", "record 19", "expected \(20 * size) bytes", "found \(20 * size - 100)"])
            let idx = try mnist { images, _ in images.removeLast(700) }
            try expectRefusal(
                "mnist", idx,
                ["\(idx)/train-images-idx3-ubyte", "record 19", "expected \(16 + 20 * 784) bytes"])
        }

        @Test("a label outside of the classes is named with its record")
        func label() throws {
            let folder = try cifar { $0[7 * DataTests.recordSize] = 10 }
            try expectRefusal("cifar10", folder, ["data_batch_1.bin", "record 7", "label 10", "0 to 9"])
            let idx = try mnist { _, labels in labels[8 + 13] = 200 }
            try expectRefusal("mnist", idx, ["train-labels-idx1-ubyte", "record 13", "label 200", "0 to 9"])
        }

        @Test("a file of another kind, and files that do not belong together, are refused")
        func mislabelled() throws {
            let kind = try mnist { images, _ in images[3] = 1 }
            try expectRefusal("mnist", kind, ["train-images-idx3-ubyte", "0x00000803", "0x00000801"])
            let count = try mnist { _, labels in
                labels[7] = 19
                labels.removeLast()
            }
            try expectRefusal("mnist", count, ["20 images", "19 labels"])
        }
    }
}
