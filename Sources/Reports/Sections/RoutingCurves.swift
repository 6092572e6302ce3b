import Foundation

/// How evenly experts are used, how sure routers are of an image, and how many images change experts under attack.
struct RoutingCurves {
    private let rows: [TextRow]
    private let final: [TextRow]
    private let experts: Int
    private let stepsPerEpoch: Double

    init(_ run: ReportedRun) {
        rows = run.training?.rows(.routing) ?? []
        final = run.finalRows(.routing)
        experts = Set(run.finalRows(.experts).compactMap { $0["expert"] }).count
        stepsPerEpoch = max(1, (rows.last?.finite("step") ?? 1) / max(1, rows.last?.finite("epoch") ?? 1))
    }

    /// The charts over epochs.
    var figures: [Figure] {
        let entropies = chart([("usage_entropy", "use"), ("router_entropy", "router")], "entropy (nats)") { row in
            row["split"] == "train"
        }
        let flips = chart([("flip_rate", "flips")], "share of images") { $0["split"] != "train" }
        var figures: [Figure] = []
        if var chart = entropies {
            if experts > 1 { chart.heights = [.init(value: log(Double(experts)), name: "ln \(experts)")] }
            chart.ordinates = 0...0
            figures.append(
                chart.figure(
                    "entropies", "Entropies of routing in training",
                    "Of the experts' shares of images (use) and, on average, of a router's probabilities for one image "
                        + "(router); mean over layers."))
        }
        if var chart = flips {
            chart.ordinates = 0...0
            chart.verticalText = NumberText.roughPercent
            chart.valueText = { NumberText.percent($0) }
            figures.append(
                chart.figure(
                    "flip-rate", "Images that change experts under attack", "At evaluations, mean over layers."))
        }
        return figures
    }

    /// A line for each kind of inputs and each column: the mean over layers at each step.
    private func chart(
        _ columns: [(name: String, words: String)], _ title: String, where isShown: (TextRow) -> Bool
    ) -> LineChart? {
        var chart = LineChart("epoch", title)
        let shown = rows.filter(isShown)
        var inputs: [String] = []
        for name in shown.compactMap({ $0["inputs"] }) where !inputs.contains(name) { inputs.append(name) }
        for (number, name) in inputs.enumerated() {
            let own = Dictionary(grouping: shown.filter { $0["inputs"] == name }) { $0.finite("step") ?? 0 }
            for (index, column) in columns.enumerated() {
                let points = own.sorted { $0.key < $1.key }.compactMap { step, rows -> Drawing.Point? in
                    let values = rows.compactMap { $0.finite(column.name) }
                    guard !values.isEmpty else { return nil }
                    return (step / stepsPerEpoch, values.reduce(0, +) / Double(values.count))
                }
                guard points.count > 1 else { continue }
                chart.series.append(
                    LineChart.Series(
                        name: columns.count > 1 ? "\(column.words), \(name)" : name,
                        style: ChartStyle.series(number) + (index == 1 ? " dashed" : ""), points: points))
            }
        }
        return chart.isEmpty ? nil : chart
    }

    /// The last evaluation, layer by layer.
    var table: ReportTable? {
        guard !final.isEmpty else { return nil }
        return ReportTable(
            "Routing at the last evaluation",
            [
                .init("layer"), .init("inputs"), .number("entropy of use"), .number("entropy of router"),
                .number("largest share over mean"), .number("flip rate"), .init("alarm"),
            ],
            final.map { row in
                [
                    .init(row["layer"] ?? ""), .init(row["inputs"] ?? ""), .number(row.finite("usage_entropy")),
                    .number(row.finite("router_entropy")), .number(row.finite("max_over_mean")),
                    .percent(row.finite("flip_rate")), .init(row["alarm"] ?? ""),
                ]
            })
    }
}
