import Foundation

/// Accuracies of many runs as papers show them: a row for each network and method, a column for clean images and each attack,
/// and in each cell the mean over seeds with the sample deviation.
package struct PaperTable {
    /// A column: an attack with its settings, on the same kind of images.
    struct Column: Equatable {
        let name: String
        /// Settings and images, where columns share a name.
        let detail: String
    }

    /// The accuracies of a row's runs in one column, in [0, 1].
    struct Cell: Equatable {
        var values: [Double] = []
        /// The 95% interval of the last one, over its images.
        var interval: ClosedRange<Double>?

        /// Their mean; nil where there is none.
        var mean: Double? { values.isEmpty ? nil : values.reduce(0, +) / Double(values.count) }

        /// The sample deviation, with one less than there are in the denominator; nil of fewer than two.
        var deviation: Double? {
            guard let mean, values.count > 1 else { return nil }
            let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
            return (squares / Double(values.count - 1)).squareRoot()
        }

        /// What is likely: a deviation to either side of the mean of several, the interval of one alone.
        var spread: ClosedRange<Double>? {
            guard let mean, let deviation else { return interval }
            return max(0, mean - deviation)...min(1, mean + deviation)
        }
    }

    /// Runs that differ in seeds alone.
    struct Row {
        /// One of its runs.
        let example: ReportedRun?
        let network: String
        let method: String
        /// Settings that tell it from rows of the same network and method.
        let setting: String
        /// What it is, a word for each of: the method as AdvMoE's tables call it, the network, the kind of training, experts, and
        /// settings that are not the same for all rows.
        let words: [String]
        let runs: Int
        var cells: [Cell]
    }

    private(set) var columns: [Column] = []
    private(set) var rows: [Row] = []

    /// Puts runs that differ in seeds alone into one row.
    package init(_ runs: [ReportedRun]) {
        var groups: [(identity: [String], runs: [ReportedRun])] = []
        let names = RunSettings.differing(runs.map(\.settings))
        for run in runs {
            // A run of unknown settings is like no other.
            let isKnown = !run.settings.names.isEmpty
            let identity =
                isKnown
                ? [PublishedValues.method(run.settings)] + names.map { run.settings.values[$0] ?? "null" } : [run.label]
            if isKnown, let place = groups.firstIndex(where: { $0.identity == identity }) {
                groups[place].runs.append(run)
            } else {
                groups.append((identity, [run]))
            }
        }
        var seen: [(key: [String], column: Column)] = []
        for verdict in runs.flatMap(Self.verdicts) where !seen.contains(where: { $0.key == Self.key(verdict) }) {
            let detail = [verdict.settings, verdict.images].filter { !$0.isEmpty }.joined(separator: ", ")
            seen.append((Self.key(verdict), Column(name: verdict.name, detail: detail)))
        }
        columns = seen.map(\.column)
        let labels = groups.map { Self.labels($0.runs[0], names) }
        rows = zip(groups, labels).map { group, label in
            var row = Row(
                example: group.runs.first, network: label.network, method: label.method, setting: label.setting,
                words: label.words,
                runs: group.runs.count, cells: columns.map { _ in Cell() })
            for verdict in group.runs.flatMap(Self.verdicts) {
                guard let accuracy = verdict.accuracy,
                    let place = seen.firstIndex(where: { $0.key == Self.key(verdict) })
                else { continue }
                row.cells[place].values.append(accuracy)
                row.cells[place].interval = verdict.low.flatMap { low in
                    verdict.high.flatMap { low <= $0 ? low...$0 : nil }
                }
            }
            return row
        }
    }

    /// The last evaluation of a run, without stages of ladders.
    private static func verdicts(_ run: ReportedRun) -> [Verdict] {
        (run.finalEvaluation?.rows ?? []).map(Verdict.init).filter { !$0.isStage }
    }

    private static func key(_ verdict: Verdict) -> [String] { [verdict.name, verdict.settings, verdict.images] }

    /// Settings that the names of network and method tell already.
    private static let told: Set<String> = [
        "model.architecture", "model.width", "model.ratio", "training.method", "moe.kind", "moe.experts",
    ]

    private static func labels(
        _ run: ReportedRun, _ differing: [String]
    ) -> (network: String, method: String, setting: String, words: [String]) {
        let settings = run.settings
        var network = settings["model.architecture"] ?? run.label
        if let width = settings["model.width"] { network += " w\(width)" }
        if let ratio = settings["model.ratio"], Double(ratio) != 1 { network += " r\(ratio)" }
        let training = settings["training.method"] ?? "–"
        let kind = settings["moe.kind"].flatMap { $0 == "none" ? nil : $0 }
        let experts = kind.map { "\(settings["moe.experts"] ?? "?") \($0) experts" }
        let others = differing.filter { !told.contains($0) && !$0.hasPrefix("training.advmoe") }
        // A network without experts has no settings of theirs.
        let values = others.map { kind == nil && $0.hasPrefix("moe.") ? nil : settings[$0] }
        let setting = zip(others, values).compactMap { name, value in
            value.map { "\(name.split(separator: ".").suffix(2).joined(separator: "."))=\($0)" }
        }
        let named = PublishedValues.method(settings)
        return (
            network, [training, experts].compactMap { $0 }.joined(separator: ", "), setting.joined(separator: " "),
            [named, network, training, experts ?? named] + values.map { $0 ?? "" }
        )
    }

    /// A short name for each row: the method as AdvMoE's tables call it where those differ, else the words that do.
    var names: [String] {
        let methods = rows.compactMap(\.words.first)
        guard Set(methods).count < rows.count else { return methods }
        let columns = (rows.first?.words.indices.dropFirst() ?? 0..<0).filter { place in
            Set(rows.map { $0.words[place] }.filter { !$0.isEmpty }).count > 1
        }
        return rows.map { row in columns.map { row.words[$0] }.filter { !$0.isEmpty }.joined(separator: ", ") }
    }

    /// Whether any row needs more than network and method to be told from the others.
    var hasSettings: Bool {
        let short = rows.map { [$0.network, $0.method] }
        return Set(short).count < short.count
    }

    /// The heads of the columns, with settings where names alone are not enough.
    var heads: [String] {
        columns.map { column in
            columns.count { $0.name == column.name } > 1 ? "\(column.name) (\(column.detail))" : column.name
        }
    }
}
