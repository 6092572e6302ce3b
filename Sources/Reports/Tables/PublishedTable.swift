/// A paper's table made again: its rows in their order, of those that runs were made for, each cell with the mean and sample
/// deviation over seeds beside what was published.
package struct PublishedTable {
    /// One row.
    struct Row {
        let entry: PublishedValues.Entry
        let runs: Int
        let robust: PaperTable.Cell
        let standard: PaperTable.Cell
        /// 10⁹ multiply-adds of an image, as the paper counts them; nil where no evaluation tells.
        let gflops: Double?
    }

    let rows: [Row]
    /// The names of what rows are of, without those that are the same for all.
    let names: [String]

    /// Finds the runs of each published row; runs of none are left out.
    package init(_ runs: [ReportedRun], _ published: PublishedValues) {
        rows = published.entries.compactMap { entry in
            let own = runs.filter { entry.fits($0.settings) }
            let robust = own.compactMap { entry.verdict(of: $0)?.accuracy }
            guard !robust.isEmpty else { return nil }
            let standard = own.compactMap { run in
                run.finalEvaluation?.rows.map(Verdict.init).first { $0.name == "clean" }?.accuracy
            }
            return Row(
                entry: entry, runs: own.count, robust: .init(values: robust), standard: .init(values: standard),
                gflops: own.compactMap(Self.gflops).first)
        }
        var names: [String] = []
        for (name, _) in rows.flatMap(\.entry.settings) where !names.contains(name) { names.append(name) }
        let kept = rows
        self.names = names.filter { name in
            ["data", "network", "method"].contains(name) || Set(kept.map { Self.value(name, $0) }).count > 1
        }
    }

    /// Whether no run is one of the paper's.
    package var isEmpty: Bool { rows.isEmpty }

    private static func value(_ name: String, _ row: Row) -> String {
        row.entry.settings.first { $0.name == name }?.value ?? ""
    }

    private static func gflops(_ run: ReportedRun) -> Double? {
        let rows = run.evaluation?.rows(.cost) ?? []
        let counted = rows.first { $0["counted"] == "published" } ?? rows.first { $0["counted"] == "path" }
        return counted?.finite("multiply_adds").map { $0 / 1e9 }
    }

    /// The heads of the columns in front of the figures.
    var leading: [String] { ["place"] + names + ["attack", "seeds"] }

    /// The cells below these.
    func leading(_ row: Row) -> [String] {
        [row.entry.place] + names.map { Self.value($0, row) } + [row.entry.attack, "\(row.runs)"]
    }

    /// The heads of the figures, each with what was published in brackets.
    static let heads = ["robust % (published)", "standard % (published)", "GFLOPs (published)"]
}
