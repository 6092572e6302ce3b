import Foundation
import Testing

@testable import Files

extension CommandSuite {
    @Suite("The files of runs and evaluations", .serialized)
    struct RunFilesTests {
        private static let small = [
            "model.width=4", "training.epochs=1", "training.global_batch=32", "attack.steps=1",
            "data.dataset=synthetic", "data.train_samples=64", "data.test_samples=10",
        ]

        private func succeed(_ arguments: [String]) throws {
            let outcome = try robustmoe(arguments)
            #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
        }

        /// Trains, evaluates and looks at experts, each in a directory of its own below a folder.
        private func makeRuns(
            _ folder: String, _ settings: [String], evaluation: [String] = [], force: Bool = false
        ) throws -> [TrainedRun] {
            let names = ["train", "evaluate", "experts"]
            let runs = names.map { TrainedRun(path: "\(folder)/\($0)") }
            for (name, run) in zip(names, runs) {
                let more =
                    name == "train" ? Self.small + settings : ["--checkpoint", runs[0].path] + evaluation
                try succeed([name, "--output", run.path] + more + (force ? ["--force"] : []))
            }
            return runs
        }

        private func names(_ run: TrainedRun) throws -> Set<String> {
            Set(try FileManager.default.contentsOfDirectory(atPath: run.path))
        }

        @Test("every file is known, and with --force every file and every row is the new run's")
        func force() throws {
            let folder = try Scratch.folder()
            try succeed(["train", "--output", folder + "/scores", "training.parameters=scores"] + Self.small)
            let first = try makeRuns(
                folder, ["moe.kind=channel", "moe.experts=2", "model.ratio=0.5"],
                evaluation: ["evaluation.masks=\(folder)/scores", "output.per_sample_long=true"])
            let known = Set(RunDirectory.fileNames + [RunDirectory.checkpointsName])
            let before = try first.map(names)
            for found in before { #expect(found.isSubset(of: known), "\(found.subtracting(known))") }
            let written = before.reduce(into: Set<String>()) { $0.formUnion($1) }
            #expect(Set(RunTable.allCases.map(\.fileName)).isSubset(of: written))
            let earlier = try #require(first[0].rows("metrics.csv").first?["run_id"])

            let second = try makeRuns(
                folder, ["moe.kind=conv", "moe.experts=3", "training.global_batch=64"],
                evaluation: ["output.per_sample_long=true"], force: true)
            for (run, before) in zip(second, before) {
                #expect(try names(run) == before.subtracting([RunTable.maskOverlap.fileName]))
                for table in RunTable.allCases where Scratch.exists("\(run.path)/\(table.fileName)") {
                    let rows = try run.rows(table.fileName)
                    #expect(!rows.isEmpty && rows.allSatisfy { $0["run_id"] != earlier }, "\(run.path) \(table)")
                    #expect(Set(rows.map { $0["run_id"] }).count == 1, "\(run.path) \(table)")
                }
                #expect(try !Scratch.text(run.path + "/events.log").contains(earlier))
            }
            let checkpoints = try FileManager.default.contentsOfDirectory(atPath: second[0].path + "/checkpoints")
            #expect(Set(checkpoints) == [".run", "latest", "step-00000001"])

            // The same evaluation once more: rows take the place of those that are there.
            let once = second.map { run in RunTable.allCases.map { try? run.rows($0.fileName).count } }
            for (name, run) in [("evaluate", second[1]), ("experts", second[2])] {
                try succeed([
                    name, "--checkpoint", second[0].path, "--output", run.path, "--force",
                    "output.per_sample_long=true",
                ])
            }
            let twice = second.map { run in RunTable.allCases.map { try? run.rows($0.fileName).count } }
            #expect(twice == once)
        }
    }
}
