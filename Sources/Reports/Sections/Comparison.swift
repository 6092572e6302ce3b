/// Several runs side by side: accuracies over seeds, what differs between them, and whether pairs differ on the same images.
struct Comparison {
    private let runs: [ReportedRun]
    private let published: PublishedValues?

    /// Pairs that are tested at most: those of the first so many runs.
    private static let testedRuns = 8

    init(_ runs: [ReportedRun], _ published: PublishedValues? = nil) {
        self.runs = runs
        self.published = published
    }

    /// The section.
    var section: ReportSection? {
        let accuracies = PaperTable(runs)
        var parts: [ReportSection.Part] = [.figures(figures(accuracies)), .table(table(accuracies))]
        let curves = SweepCurves(runs, published).figures
        if !curves.isEmpty { parts.append(.figures(curves)) }
        let differences = differences
        if !differences.rows.isEmpty { parts.append(.table(differences)) }
        if let tests { parts.append(.table(tests)) }
        return ReportSection("comparison", "Comparison", parts)
    }

    private func table(_ accuracies: PaperTable) -> ReportTable {
        let isTold = accuracies.hasSettings
        return ReportTable(
            "Accuracy in per cent, mean ± sample deviation over seeds",
            [.init("network"), .init("method")] + (isTold ? [.init("settings")] : []) + [.number("seeds")]
                + accuracies.heads.map { .number($0) },
            accuracies.rows.map { row in
                [.init(row.network), .init(row.method)] + (isTold ? [.init(row.setting)] : [])
                    + [.number(Double(row.runs))]
                    + row.cells.map { .init(TableFormat.cell($0, sign: " ± "), order: $0.mean) }
            })
    }

    private func figures(_ accuracies: PaperTable) -> [Figure] {
        let shown = accuracies.columns.enumerated().filter { _, column in
            column.name == "clean" || column.name == "worst-case" || accuracies.columns.count <= 4
        }
        return shown.compactMap { index, column in
            var chart = BarChart("accuracy")
            for (row, name) in zip(accuracies.rows, accuracies.names) {
                guard let mean = row.cells[index].mean else { continue }
                let spread = row.cells[index].spread
                let count = row.cells[index].values.count
                chart.bars.append(
                    BarChart.Bar(
                        name: name.isEmpty ? row.method : name, value: mean, low: spread?.lowerBound,
                        high: spread?.upperBound, style: column.name == "clean" ? "s0" : "s1",
                        published: published(row, column),
                        note: "\(row.network), \(row.method), \(count) run\(count == 1 ? "" : "s")"))
            }
            guard chart.bars.count > (accuracies.rows.count > 1 ? 1 : 0) else { return nil }
            let ends = chart.bars.flatMap { bar -> [Double] in [bar.high ?? bar.value, bar.published ?? 0] }
            chart.domain = 0...max(0.1, Scale.roundRange(ends, includingZero: true).upperBound)
            return chart.figure(
                "comparison-\(index + 1)", "Accuracy, \(accuracies.heads[index])",
                "Mean over seeds; whiskers are one sample deviation to either side, or the 95% interval of one seed's images."
                    + (chart.bars.contains { $0.published != nil } ? " Dashed strokes are published values." : ""))
        }
    }

    /// What was published of a row's networks on clean images or under a column's attack.
    private func published(_ row: PaperTable.Row, _ column: PaperTable.Column) -> Double? {
        guard let published, let run = row.example else { return nil }
        let own = published.entries.filter { $0.fits(run.settings) }
        if column.name == "clean" { return own.lazy.compactMap(\.standardAccuracy).first }
        return own.first { $0.verdict(of: run)?.name == column.name }?.robustAccuracy
    }

    /// Settings that are not the same in all runs, a row each.
    private var differences: ReportTable {
        let names = RunSettings.differing(runs.map(\.settings), all: true)
        return ReportTable(
            "Settings that differ", [.init("key")] + runs.map { .init($0.label) },
            names.map { name in
                [.init(name)] + runs.map { .init($0.settings.values[name] ?? "–") }
            })
    }

    /// Pairs of runs that were evaluated on the same images; nil where there are none.
    private var tests: ReportTable? {
        let judged = runs.prefix(Self.testedRuns).compactMap { run in
            run.evaluation.map { (run.label, RightImages($0.rows(.perSample))) }
        }
        var table = ReportTable(
            "Pairs of runs on the same images (McNemar's test, exact)",
            [
                .init("inputs"), .init("first"), .init("second"), .number("right by first alone"),
                .number("right by second alone"), .number("p"),
            ])
        let names = Set(judged.flatMap { $0.1.byInputs.keys })
        let inputs = ["clean"].filter(names.contains) + names.subtracting(["clean"]).sorted()
        for name in inputs {
            for first in judged.indices {
                for second in judged.indices.dropFirst(first + 1) {
                    guard let test = RightImages.compare(judged[first].1, judged[second].1, inputs: name) else {
                        continue
                    }
                    table.append([
                        .init(name), .init(judged[first].0), .init(judged[second].0),
                        .number(Double(test.firstAlone)), .number(Double(test.secondAlone)), .number(test.pValue),
                    ])
                }
            }
        }
        return table.rows.isEmpty ? nil : table
    }
}
