import Foundation
import Testing

@testable import Files

extension CommandSuite {
    @Suite("Labelling images and training with them", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct ExtraImagesCommandTests {
        /// A folder of images that nobody has labelled, of the shape that the small runs have.
        private func images(_ count: Int) throws -> String {
            let folder = try Scratch.folder() + "/images"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for number in 0..<count {
                let pixels = (0..<3 * 1024).map { UInt8(truncatingIfNeeded: $0 * (number + 3) / 7 + 11 * number) }
                try Data(PNGImage.bytes(pixels, width: 32, height: 32, channels: 3))
                    .write(to: URL(fileURLWithPath: "\(folder)/\(100 + number).png"))
            }
            return folder
        }

        private func label(_ source: String, _ more: [String], ranks: Int? = nil) throws -> CommandJob.Outcome {
            try robustmoe(
                [
                    "evaluate", "--checkpoint", try TrainedRun.onOneRank.get().path, "data.extra=\(source)",
                    "evaluation.attacks=[]",
                ] + more, ranks: ranks)
        }

        @Test("a network labels images, the same on any number of ranks, and a run has them in every batch")
        func endToEnd() throws {
            let (source, place) = (try images(21), try Scratch.folder())
            let pack = "\(place)/labels.pack"
            func write(_ output: String, _ file: String, _ more: [String] = [], ranks: Int? = nil) throws
                -> CommandJob.Outcome
            {
                try label(source, ["--output", "\(place)/\(output)", "--write-labels", file] + more, ranks: ranks)
            }
            let first = try write("one", pack)
            #expect(first.status == 0, "\(first.errors)")
            #expect(first.output.contains("labels of 21 images in \(pack)"))
            let bytes = try Data(contentsOf: URL(fileURLWithPath: pack))
            let second = try write("two", "\(place)/other.pack", ranks: 2)
            #expect(second.status == 0, "\(second.errors)")
            #expect(try Data(contentsOf: URL(fileURLWithPath: "\(place)/other.pack")) == bytes)
            expectComplaint(try write("three", pack), ["is there already; pass --force"])
            let again = try write("one", pack, ["--resume", "auto"])
            #expect(again.status == 0 && again.output.contains("finished already"), "\(again.errors)")
            // Labels that an evaluation lacks are made up for.
            let late = try write("one", "\(place)/late.pack", ["--resume", "auto"])
            #expect(late.status == 0, "\(late.errors)")
            #expect(try Data(contentsOf: URL(fileURLWithPath: "\(place)/late.pack")) == bytes)
            expectComplaint(
                try robustmoe([
                    "evaluate", "--checkpoint", try TrainedRun.onOneRank.get().path, "--output", "\(place)/four",
                    "--write-labels", "\(place)/no.pack",
                ]), ["expected data.extra, the images to be labelled, found null"])

            let unlabelled = try robustmoe(TrainedRun.arguments("\(place)/none", ["data.extra=\(source)"]))
            #expect(unlabelled.status == 3)
            expectComplaint(unlabelled, ["holds no folder of a class", "--write-labels"])

            let settings = ["data.extra=\(pack)", "data.extra_share=0.4", "training.epochs=2"]
            let whole = TrainedRun(path: "\(place)/whole")
            let trained = try robustmoe(TrainedRun.arguments(whole.path, settings), ranks: 2)
            #expect(trained.status == 0, "\(trained.errors)")
            #expect(trained.output.contains("128 images of synthetic and 6 of 21 others in every batch, batch 15"))
            let rows = try whole.rows("metrics.csv").filter { $0["split"] == "train" }
            // Fourteen batches of 9 and 6, and one of the last two with one beside them.
            for epoch in 1...2 {
                let counts = rows.filter { $0["epoch"] == "\(epoch)" }.compactMap { $0["samples"].flatMap { Int($0) } }
                let sum = counts.reduce(0, +)
                #expect(sum == 213)
            }
            let environment = try Scratch.text(whole.path + "/environment.json")
            #expect(environment.contains("\"extra\" : \""))

            let run = TrainedRun(path: "\(place)/run")
            let begun = try robustmoe(
                TrainedRun.arguments(run.path, settings + ["training.stop_after_steps=7"]), ranks: 2)
            #expect(begun.status == 75, "\(begun.errors)")
            func resume(_ more: [String], ranks: Int) throws -> CommandJob.Outcome {
                try robustmoe(["train", "--output", run.path, "--resume", "auto"] + more, ranks: ranks)
            }
            let without = try resume(["data.extra="], ranks: 2)
            #expect(without.status == 4)
            expectComplaint(without, ["found none of data.extra, the checkpoint has 21 images"])
            let share = try resume(["data.extra_share=0.5"], ranks: 2)
            #expect(share.status == 4)
            expectComplaint(share, ["data.extra_share: the checkpoint has 0.4, this run has 0.5"])
            let resumed = try resume([], ranks: 2)
            #expect(resumed.status == 0, "\(resumed.errors)")
            try run.expectSame(as: whole)
        }
    }
}
