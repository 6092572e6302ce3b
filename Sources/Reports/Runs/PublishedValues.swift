import Files

/// What a paper has published of networks, as a CSV file tells it, to be set beside runs.
///
/// Its columns are `place` (the table or figure), `attack` (a kind and, behind a hyphen, its steps), `robust_accuracy` and
/// `standard_accuracy` in per cent, `gflops` in 10⁹ multiply-adds, and what they are of: `data`, `network` and `method`, and
/// settings under their dotted names. An empty cell of these fits any run.
package struct PublishedValues: Sendable {
    /// One row.
    struct Entry: Sendable {
        let place: String
        /// What it is of: names and values, those that are not empty.
        let settings: [(name: String, value: String)]
        let attack: String
        /// Shares in [0, 1].
        let robustAccuracy: Double?
        let standardAccuracy: Double?
        let gflops: Double?

        /// Whether a run of these settings is what it is of.
        func fits(_ run: RunSettings) -> Bool {
            settings.allSatisfy { name, value in
                let own = PublishedValues.value(name, of: run)
                if let number = NumberText.fraction(value), let other = NumberText.fraction(own) {
                    return abs(number - other) < 1e-9
                }
                return own == value
            }
        }

        /// The row of a run's last evaluation that is of its attack, at the radius of training where there are several.
        func verdict(of run: ReportedRun) -> Verdict? {
            let parts = attack.split(separator: "-").map(String.init)
            let steps = parts.last.flatMap(Int.init)
            let kind = (steps == nil ? parts : parts.dropLast()).joined(separator: "-")
            let own = (run.finalEvaluation?.rows ?? []).map(Verdict.init).filter { verdict in
                !verdict.isStage && (verdict.name == kind || verdict.name.hasPrefix(kind + "-"))
                    && (steps == nil || verdict.steps == steps)
            }
            let trained = run.settings["attack.epsilon"].flatMap(NumberText.fraction)
            return own.first { verdict in
                trained.flatMap { radius in verdict.epsilon.map { abs($0 - radius) < 1e-4 } } ?? false
            } ?? own.first
        }
    }

    /// The rows in their order.
    let entries: [Entry]

    private static let values = ["place", "attack", "robust_accuracy", "standard_accuracy", "gflops"]

    /// Reads a file.
    /// - Throws: ``ReportError`` if there is none, or it lacks a column.
    package init(path: String) throws {
        let rows = try TextTable(path).rows
        guard let first = rows.first, Self.values.allSatisfy({ first[$0] != nil }) else {
            throw ReportError(
                description: "\(path): expected a table of published values with the columns "
                    + "\(Self.values.joined(separator: ", ")), found "
                    + (rows.first?.columns.joined(separator: ", ") ?? "no rows"))
        }
        entries = rows.map { row in
            Entry(
                place: row["place"] ?? "",
                settings: row.columns.filter { !Self.values.contains($0) && $0 != "note" }.compactMap { name in
                    row[name].flatMap { $0.isEmpty ? nil : (name, $0) }
                },
                attack: row["attack"] ?? "", robustAccuracy: row.finite("robust_accuracy").map { $0 / 100 },
                standardAccuracy: row.finite("standard_accuracy").map { $0 / 100 }, gflops: row.finite("gflops"))
        }
    }

    /// What a run has under a name.
    private static func value(_ name: String, of run: RunSettings) -> String {
        switch name {
        case "data":
            let own = run["data.dataset"] ?? ""
            // Image files are ImageNet's wherever papers are concerned.
            return own == "folder" ? "imagenet" : own
        case "network": return run["model.architecture"] ?? ""
        case "method": return method(run)
        default: return run.values[name] ?? "null"
        }
    }

    /// The method as AdvMoE's tables call it.
    static func method(_ run: RunSettings) -> String {
        if let kind = run["moe.kind"], kind != "none" { return run["training.method"] == "advmoe" ? "advmoe" : "moe" }
        if run["model.masks"] != nil { return "sparse" }
        return run["model.ratio"].flatMap(Double.init) ?? 1 == 1 ? "dense" : "small-dense"
    }
}
