import Foundation
import SwiftCSV
import Testing

@testable import Files

/// A run directory, read back.
struct TrainedRun {
    let path: String

    /// Small settings that leave nothing of training out: experts, noise, momentum, augmentation, random starts, and
    /// batches that neither the ranks nor the epoch divide.
    ///
    /// Nine steps an epoch, rows every 4, checkpoints every 5.
    static let settings = [
        "model.width=4", "moe.kind=conv", "moe.experts=3", "moe.noise=0.1", "moe.balance.loss=switch",
        "moe.balance.weight=0.1", "training.method=pgd", "training.epochs=3", "training.global_batch=15",
        "training.checkpoint_every=5", "training.keep=9", "training.optimizer.nesterov=true",
        "training.optimizer.rate=0.05", "attack.steps=1", "data.dataset=synthetic", "data.train_samples=128",
        "data.test_samples=40", "data.augmentation=[crop, flip]", "evaluation.chunk=8", "output.every_steps=4",
    ]
    static let samples = 128
    static let stepsPerEpoch = 9
    static let steps = 27

    /// Arguments of `train` with the small settings.
    static func arguments(_ output: String, _ more: [String] = []) -> [String] {
        ["train", "--output", output] + settings + more
    }

    /// The uninterrupted run on one rank and on two, made once and only read.
    static let onOneRank = Result { try train(ranks: nil) }
    static let onTwoRanks = Result { try train(ranks: 2) }

    private static func train(ranks: Int?) throws -> TrainedRun {
        let output = try Scratch.folder() + "/run"
        let outcome = try robustmoe(arguments(output), ranks: ranks, environment: ["ROBUSTMOE_COMMIT": "0123abc"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return TrainedRun(path: output)
    }

    /// The checkpoint that `latest` names.
    func latest() throws -> Checkpoint { try Checkpoint.verify(try CheckpointStore.locate(path)) }

    /// The rows of a table.
    func rows(_ table: String) throws -> [[String: String]] {
        try CSV<Named>(url: URL(fileURLWithPath: "\(path)/\(table)"), delimiter: .comma, loadColumns: false).rows
    }

    /// The rows of a table without what may differ between two runs of the same settings.
    func comparableRows(_ table: String) throws -> [[String: String]] {
        let free = ["run_id", "checkpoint", "images_per_second", "wire_bytes"]
        return try rows(table).map { row in
            row.filter { !free.contains($0.key) && !$0.key.hasSuffix("seconds") }
        }
    }

    static let tables = ["metrics.csv", "experts.csv", "routing.csv", "evaluation.csv"]

    /// Expects the same weights, the same momentum and the same rows, bit for bit.
    func expectSame(as other: TrainedRun, _ location: SourceLocation = #_sourceLocation) throws {
        let (mine, others) = (try latest(), try other.latest())
        #expect(mine.step == others.step, sourceLocation: location)
        for file in ["model.safetensors", "optimizer.safetensors"] {
            let hash = try #require(mine.files[file]?.sha256, sourceLocation: location)
            #expect(hash == others.files[file]?.sha256, "\(file)", sourceLocation: location)
        }
        for table in TrainedRun.tables {
            let (own, expected) = (try comparableRows(table), try other.comparableRows(table))
            #expect(!own.isEmpty, "\(table)", sourceLocation: location)
            #expect(own == expected, "\(table)", sourceLocation: location)
        }
    }

    /// The last step that metrics tell of.
    var lastRow: Int { ((try? rows("metrics.csv"))?.last?["step"]).flatMap { Int($0) } ?? 0 }
}
