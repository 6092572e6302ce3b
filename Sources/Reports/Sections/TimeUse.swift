/// Where a training's time goes, and how far ranks are apart.
struct TimeUse {
    private let rows: [TextRow]
    private let evaluations: [TextRow]
    private let stepsPerEpoch: Double

    init(_ run: ReportedRun) {
        let metrics = run.training?.rows(.metrics) ?? []
        rows = metrics.filter { $0["split"] == "train" && $0.finite("wall_seconds") != nil }
        evaluations = metrics.filter { $0["split"] != "train" }
        let last = rows.last
        stepsPerEpoch = max(1, (last?.finite("step") ?? 1) / max(1, last?.finite("epoch") ?? 1))
    }

    /// The section; nil without training.
    var section: ReportSection? {
        guard !rows.isEmpty else { return nil }
        return ReportSection("time", "Where the time goes", [.figures([parts, rate] + [spread].compactMap { $0 })])
    }

    private func sum(_ rows: [TextRow], _ column: String) -> Double {
        rows.compactMap { $0.finite(column) }.reduce(0, +)
    }

    private var parts: Figure {
        let attack = sum(rows, "attack_seconds")
        let backward = sum(rows, "backward_seconds")
        let exchange = sum(rows, "allreduce_seconds")
        let loop = sum(rows, "wall_seconds")
        let isBackwardKnown = rows.contains { $0.finite("backward_seconds") != nil }
        let kinds = [
            ("attack", attack), ("backward passes", backward), ("exchange, waited for", exchange),
            (
                isBackwardKnown ? "forward and the rest" : "training and the rest",
                max(0, loop - attack - backward - exchange)
            ),
            ("evaluation", sum(evaluations, "wall_seconds")),
            ("checkpoints", sum(rows + evaluations, "checkpoint_seconds")),
        ]
        let total = kinds.reduce(0) { $0 + $1.1 }
        var chart = BarChart("seconds")
        chart.axisText = NumberText.short
        chart.valueText = NumberText.seconds
        chart.domain = 0...max(Scale.roundRange(kinds.map(\.1), includingZero: true).upperBound, 1e-9)
        chart.bars = kinds.enumerated().map { number, kind in
            BarChart.Bar(
                name: kind.0, value: kind.1, style: ChartStyle.series(number),
                note: NumberText.percent(total > 0 ? kind.1 / total : nil))
        }
        return chart.figure(
            "time", "Seconds of the whole training",
            "\(NumberText.seconds(total)) in all; the rest of a step is input and the optimizer. Attack, backward passes and "
                + "waiting are the slowest rank's, all else is rank 0's.")
    }

    private func points(_ column: String) -> [Drawing.Point] {
        rows.compactMap { row in
            row.finite(column).flatMap { value in row.finite("step").map { ($0 / stepsPerEpoch, value) } }
        }
    }

    private var rate: Figure {
        var chart = LineChart("epoch", "images a second")
        chart.series = [.init(name: "training loop", style: "s0", points: points("images_per_second"))]
        chart.ordinates = 0...0
        return chart.figure("rate", "Images a second", "Over all ranks; evaluations and checkpoints are not counted.")
    }

    private var spread: Figure? {
        let (low, high) = (points("least_work_seconds"), points("most_work_seconds"))
        guard high.count > 1, zip(low, high).contains(where: { $0.y < $1.y }) else { return nil }
        var chart = LineChart("epoch", "seconds a row")
        chart.series = [
            .init(name: "busiest rank", style: "s1", points: high),
            .init(name: "least busy rank", style: "s0", points: low),
        ]
        chart.gaps = [(0, 1, "spread")]
        chart.ordinates = 0...0
        chart.valueText = NumberText.seconds
        return chart.figure(
            "rank-spread", "How far ranks are apart",
            "Seconds of the busiest and of the least busy rank in attacks and backward passes, where no rank waits for another."
        )
    }
}
