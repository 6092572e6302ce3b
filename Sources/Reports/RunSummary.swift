import Foundation

/// What a person wants to know first about a run: its last accuracies and how its experts are used.
package struct RunSummary: Sendable {
    private let path: String
    private let metrics: [TextRow]
    private let experts: [TextRow]
    private let evaluation: [TextRow]

    /// Makes the summary of a run.
    package init(_ tables: RunTables) throws {
        path = tables.path
        metrics = try tables.rows(.metrics)
        experts = try tables.rows(.experts)
        evaluation = try tables.rows(.evaluation)
    }

    /// The summary as lines of text.
    package var lines: [String] {
        var result = ["run \(path)"]
        result += trainingLines + accuracyLines + expertLines
        return result
    }

    private var trainingLines: [String] {
        let rows = metrics.filter { $0["split"] == "train" }
        guard let last = rows.last else { return [] }
        let rate = last.number("images_per_second").map { String(format: "%.0f images/s", $0) } ?? ""
        return ["trained to epoch \(last["epoch"] ?? "?"), step \(last["step"] ?? "?"), \(rate)"]
    }

    /// The rows of the last evaluation: all that name the same checkpoint as the last row.
    private var lastEvaluation: [TextRow] {
        guard let checkpoint = evaluation.last?["checkpoint"] else { return [] }
        return evaluation.filter { $0["checkpoint"] == checkpoint }
    }

    private var accuracyLines: [String] {
        let rows = lastEvaluation
        guard let first = rows.first else { return ["no evaluation"] }
        let head =
            "accuracy on \(first["samples"] ?? "?") images of \(first["dataset"] ?? "?") \(first["split"] ?? ""), 95% interval"
        return [head]
            + rows.map { row in
                let name = row["attack"] == "none" ? "clean" : row["attack"] ?? "?"
                let cells = [row["accuracy"], row["accuracy_low"], row["accuracy_high"]].map(RunSummary.percent)
                return "  \(RunSummary.padded(name, 26)) \(cells[0])  [\(cells[1]), \(cells[2])]"
            }
    }

    private var expertLines: [String] {
        guard let last = experts.last(where: { $0["split"] != "train" }), let step = last["step"] else {
            return []
        }
        let rows = experts.filter { $0["step"] == step && $0["split"] == last["split"] }
        var layers: [String] = []
        var inputs: [String] = []
        for row in rows {
            if let layer = row["layer"], !layers.contains(layer) { layers.append(layer) }
            if let name = row["inputs"], !inputs.contains(name) { inputs.append(name) }
        }
        var result = ["expert usage, share of \(last["split"] ?? "") choices"]
        for layer in layers {
            for name in inputs {
                let shares = rows.filter { $0["layer"] == layer && $0["inputs"] == name }.map {
                    RunSummary.percent($0["fraction"])
                }
                result.append(
                    "  \(RunSummary.padded(layer, 22)) \(RunSummary.padded(name, 20)) \(shares.joined(separator: " "))")
            }
        }
        return result
    }

    private static func percent(_ cell: String?) -> String {
        guard let value = cell.flatMap(Double.init) else { return "     -" }
        return String(format: "%5.1f%%", 100 * value)
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text.count >= width ? text : text + String(repeating: " ", count: width - text.count)
    }
}
