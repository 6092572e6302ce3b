import Evaluation
import Files
import Foundation
import Training

/// Rank zero's pen: tables, events and the console.
///
/// The other ranks hold none.
final class RunRecorder {
    let directory: RunDirectory
    let runID: String
    private let metrics: CSVWriter
    private let experts: CSVWriter
    private let routing: CSVWriter
    private let evaluation: CSVWriter

    init(_ directory: RunDirectory, runID: String) throws {
        self.directory = directory
        self.runID = runID
        metrics = try CSVWriter(path: directory.file("metrics.csv"), rows: MetricsRow.self, runID: runID)
        experts = try CSVWriter(path: directory.file("experts.csv"), rows: ExpertRow.self, runID: runID)
        routing = try CSVWriter(path: directory.file("routing.csv"), rows: RoutingRow.self, runID: runID)
        evaluation = try CSVWriter(path: directory.file("evaluation.csv"), rows: EvaluationRow.self, runID: runID)
    }

    private var tables: [(name: String, writer: CSVWriter)] {
        [("metrics", metrics), ("experts", experts), ("routing", routing), ("evaluation", evaluation)]
    }

    /// Bytes of each table, flushed to the disk.
    func offsets() throws -> [String: Int] {
        for table in tables { try table.writer.synchronize() }
        return Dictionary(uniqueKeysWithValues: tables.map { ($0.name, $0.writer.byteOffset) })
    }

    /// Cuts every table back to a checkpoint; without one, to its header.
    func cut(to offsets: [String: Int]?) throws {
        for table in tables { try table.writer.truncate(to: offsets?[table.name] ?? table.writer.headerBytes) }
    }

    /// Writes the rows of a window of training.
    /// - Parameter tellsStep: Whether the row has what belongs to whole steps: times, rate and gradient norm.
    func record(_ window: TrainingWindow, _ position: RowPosition, tellsStep: Bool) throws {
        try metrics.append(window.metricsRow(position, tellsStep: tellsStep))
        for layer in window.layers {
            for row in layer.expertRows(position) { try experts.append(row) }
            try routing.append(layer.routingRow(position, samples: window.samples))
        }
    }

    /// Writes the rows of an evaluation.
    func record(
        _ result: EvaluationResult, epoch: Int, step: Int, split: String, checkpoint: String, sha256: String?,
        dataset: String, seed: UInt64
    ) throws {
        for input in result.inputs {
            let position = RowPosition(epoch: epoch, step: step, split: split, inputs: input.name)
            try metrics.append(
                MetricsRow(
                    position: position, loss: input.taskLoss + input.balanceLoss, taskLoss: input.taskLoss,
                    balanceLoss: input.balanceLoss, accuracy: input.accuracy, samples: input.samples,
                    wallSeconds: input.seconds))
            for (index, layer) in input.layers.enumerated() {
                for row in layer.expertRows(position) { try experts.append(row) }
                let flipRate = input.attack == nil ? nil : Double(input.flips[index]) / Double(max(1, input.samples))
                try routing.append(layer.routingRow(position, samples: input.samples, flipRate: flipRate))
                if let alarm = layer.alarm(samples: input.samples) {
                    let shares = layer.expertRows(position).map { Console.percent($0.fraction ?? 0) }
                    try say(
                        "warning: \(alarm.rawValue) in \(layer.layer) on \(split) \(input.name): experts get "
                            + shares.joined(separator: ", "))
                }
            }
        }
        let rows = result.rows(checkpoint: checkpoint, sha256: sha256, dataset: dataset, split: split, seed: seed)
        for row in rows { try evaluation.append(row) }
    }

    /// Says something on the console and in the log.
    func say(_ text: String) throws {
        Console.print(text)
        try directory.log(text)
    }
}
