import Files
import Foundation

/// What one run of a sweep came to: its row of `runs.csv`.
struct SweepSummary {
    private let sweep: Sweep
    private let run: Sweep.Run
    /// The values on the axes, the status, then what the run's tables tell.
    private(set) var row: TextRow

    private static let accuracies = ["accuracy", "accuracy_low", "accuracy_high"]

    init(_ sweep: Sweep, _ run: Sweep.Run) throws {
        self.sweep = sweep
        self.run = run
        row = sweep.leading(run)
        row["status"] = run.status
        try addTraining()
        try addCost()
        try addAccuracies()
        try addRouting()
        try addBestExperts()
    }

    private mutating func addTraining() throws {
        let rows = try sweep.rows(.metrics, of: run, .train).filter { $0["split"] == "train" }
        guard let last = rows.last else { return }
        row["epoch"] = last["epoch"]
        row["step"] = last["step"]
        row["train_loss"] = last["loss"]
        row["train_accuracy"] = last["accuracy"]
        row["images_per_second"] = Self.mean(rows, "images_per_second")
    }

    private mutating func addCost() throws {
        for cost in try sweep.rows(.cost, of: run, .evaluate) {
            let column = "\(cost["counted"] ?? "")_multiply_adds".replacingOccurrences(of: "-", with: "_")
            row[column] = cost["multiply_adds"]
        }
    }

    private mutating func addAccuracies() throws {
        for evaluated in try finalRows(.evaluation, sharing: "checkpoint") {
            let attack = evaluated["attack"] ?? ""
            let name = attack.hasPrefix("none") ? "clean" + attack.dropFirst(4) : attack
            if row["samples"] == nil { row["samples"] = evaluated["samples"] }
            for column in Self.accuracies { row["\(name)_\(column)"] = evaluated[column] }
        }
    }

    private mutating func addRouting() throws {
        let routing = try finalRows(.routing, sharing: "step")
        for inputs in Self.inputs(routing) {
            let rows = routing.filter { $0["inputs"] == inputs }
            for column in ["usage_entropy", "router_entropy", "max_over_mean", "flip_rate"] {
                row["\(inputs)_\(column)"] = Self.mean(rows, column)
            }
            let alarms = rows.filter { $0["alarm"]?.isEmpty == false }.map { alarmed in
                "\(alarmed["layer"] ?? ""):\(alarmed["alarm"] ?? "")"
            }
            row["\(inputs)_alarms"] = Set(alarms).sorted().joined(separator: ";")
        }
    }

    private mutating func addBestExperts() throws {
        let fixed = try sweep.rows(.fixedExperts, of: run, .experts).filter { $0["expert"] != "gated" }
        for inputs in Self.inputs(fixed) {
            let rows = fixed.filter { $0["inputs"] == inputs }
            guard let best = rows.max(by: { $0.number("correct") ?? 0 < $1.number("correct") ?? 0 }) else { continue }
            row["\(inputs)_best_expert"] = "\(best["layer"] ?? ""):\(best["expert"] ?? "")"
            for column in Self.accuracies { row["\(inputs)_best_expert_\(column)"] = best[column] }
            row["\(inputs)_best_expert_against_gate"] = best["against_gate"]
        }
    }

    /// The rows that count: those of `evaluate`, else those of `experts`, else the run's own of its last evaluation, which
    /// share the cell of a column.
    private func finalRows(_ table: RunTable, sharing column: String) throws -> [TextRow] {
        for stage in [Sweep.Stage.evaluate, .experts] {
            let rows = try sweep.rows(table, of: run, stage)
            if !rows.isEmpty { return rows }
        }
        let rows = try sweep.rows(table, of: run, .train).filter { $0["split"] != "train" }
        return rows.filter { $0[column] == rows.last?[column] }
    }

    /// The kinds of inputs, in the order of their first rows.
    private static func inputs(_ rows: [TextRow]) -> [String] {
        var known: Set<String> = []
        return rows.compactMap { $0["inputs"] }.filter { known.insert($0).inserted }
    }

    /// The mean of what was measured, written as tables are; empty without any.
    private static func mean(_ rows: [TextRow], _ column: String) -> String {
        let values = rows.compactMap { $0.number(column) }
        return values.isEmpty ? "" : CSVValue.real(values.reduce(0, +) / Double(values.count)).field
    }
}

extension Sweep {
    /// The accuracies of all runs in percent, with their intervals, a line a run.
    package static func lines(_ runs: [TextRow]) -> [String] {
        let ending = "_accuracy"
        var attacks: [String] = []
        for run in runs {
            for column in run.columns where column.hasSuffix(ending) && !column.hasSuffix("_best_expert\(ending)") {
                let attack = String(column.dropLast(ending.count))
                if run["\(column)_low"] != nil, !attacks.contains(attack) { attacks.append(attack) }
            }
        }
        let names = runs.map { $0["run"] ?? "" }
        let width = names.map(\.count).max() ?? 0
        return zip(runs, names).map { run, name in
            let cells = attacks.compactMap { attack -> String? in
                let numbers = ["", "_low", "_high"].compactMap { run.number(attack + ending + $0) }
                guard numbers.count == 3 else { return nil }
                let percents = numbers.map { String(format: "%.2f", 100 * $0) }
                return "\(attack) \(percents[0])% [\(percents[1]), \(percents[2])]"
            }
            let text = cells.isEmpty ? run["status"] ?? "" : cells.joined(separator: "  ")
            return name + String(repeating: " ", count: width - name.count) + "  " + text
        }
    }
}
