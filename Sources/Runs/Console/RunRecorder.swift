import Evaluation
import Files
import Foundation
import Logging
import Training

/// What rank zero writes by: tables, events and the console.
///
/// The other ranks hold none.
final class RunRecorder {
    let directory: RunDirectory
    let runID: String
    let tables: OpenTables
    private var events: EventFile?
    /// What flags were said, and of which inputs.
    private var said: Set<String> = []

    init(_ directory: RunDirectory, runID: String) {
        self.directory = directory
        self.runID = runID
        tables = OpenTables(directory, runID: runID)
    }

    /// Writes rows of metrics for TensorBoard too from now on, those that are there first.
    func beginEvents() throws {
        let events = try EventFile(path: directory.file(EventFile.name))
        // The names of inputs hold no commas.
        let lines = try FileSystem.text(of: directory.file(RunTable.metrics.fileName)).split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        for fields in lines.dropFirst() { try events.append(columns: lines[0], fields: fields) }
        self.events = events
    }

    private func append(_ row: MetricsRow) throws {
        try tables.append(row)
        try events?.append(
            columns: MetricsRow.columns.map(\.name), fields: MetricsRow.columns.map { $0.value(row).field })
    }

    /// Writes the rows of a window of training.
    /// - Parameters:
    ///   - tellsStep: Whether the row has what belongs to whole steps: times, rate and gradient norm.
    ///   - checkpointSeconds: The seconds of checkpoints that the row tells of.
    func record(
        _ window: TrainingWindow, _ position: RowPosition, tellsStep: Bool, checkpointSeconds: Double? = nil
    ) throws {
        var row = window.metricsRow(position, tellsStep: tellsStep)
        row.checkpointSeconds = checkpointSeconds
        try append(row)
        for layer in window.layers {
            for row in layer.expertRows(position) { try tables.append(row) }
            try tables.append(layer.routingRow(position, samples: window.passedImages))
        }
    }

    /// Writes the rows of an evaluation.
    /// - Parameters:
    ///   - probe: What its first attack came to on images that are trained on, if that was asked for.
    ///   - checkpointSeconds: The seconds of checkpoints that its first row tells of.
    func record(
        _ result: EvaluationResult, _ subject: EvaluationSubject, epoch: Int, step: Int,
        probe: EvaluationResult.Inputs? = nil, checkpointSeconds: Double? = nil
    ) throws {
        let split = subject.split
        for input in result.inputs {
            let position = RowPosition(epoch: epoch, step: step, split: split, inputs: input.name)
            try append(
                MetricsRow(
                    position: position, loss: input.taskLoss + input.balanceLoss, taskLoss: input.taskLoss,
                    balanceLoss: input.balanceLoss, accuracy: input.accuracy, samples: input.samples,
                    wallSeconds: input.seconds,
                    probeAccuracy: input.name == probe?.name ? probe?.accuracy : nil,
                    checkpointSeconds: input.attack == nil ? checkpointSeconds : nil))
            for (index, layer) in input.layers.enumerated() {
                for row in layer.expertRows(position) { try tables.append(row) }
                let flipRate = input.attack == nil ? nil : Double(input.flips[index]) / Double(max(1, input.samples))
                try tables.append(layer.routingRow(position, samples: input.samples, flipRate: flipRate))
            }
        }
        for row in result.rows(subject) { try tables.append(row) }
        // A run that is evaluated again and again says each kind once.
        for flag in result.flags(subject) where said.insert("\(flag.kind.rawValue) \(flag.inputs ?? "")").inserted {
            try say(flag.message, .warning)
        }
    }

    /// Says in one line where experts are not used as they should be; the rows of `routing.csv` tell the rest.
    func warnOfRouting(_ result: EvaluationResult, split: String) throws {
        if let warning = Console.routingWarning(result) { try say("on \(split), \(warning)", .warning) }
    }

    /// Says something on the console, if it says what is of this level, and in the log.
    func say(_ text: String, _ level: Logger.Level = .info) throws {
        Console.say(text, level)
        try directory.log((level == .warning ? Console.warningMark : "") + text)
    }

    /// Says how far it has come: in the log, and on a console that shows no live line.
    func sayProgress(_ text: String) throws {
        guard LiveLine.isShown else { return try say(text) }
        try directory.log(text)
    }
}
