import Files

/// How a training went: accuracies and losses over epochs, the rate, and the norm of the gradient.
struct LearningCurves {
    private let place: RunPlace
    private let rows: [TextRow]
    private let stepsPerEpoch: Double

    /// Points that a line has at most; of longer ones every so many rows are shown.
    private static let points = 400

    init?(_ run: ReportedRun) {
        guard let place = run.training, !place.rows(.metrics).isEmpty else { return nil }
        self.place = place
        rows = place.rows(.metrics)
        let last = rows.last { $0.finite("epoch") ?? 0 > 0 }
        stepsPerEpoch = max(1, (last?.finite("step") ?? 1) / max(1, last?.finite("epoch") ?? 1))
    }

    /// The section.
    var section: ReportSection? {
        let charts = [
            figure(accuracies, "accuracy", "Accuracy", accuracyCaption),
            figure(losses, "loss", "Loss", "Task and balance together; cross entropy, or the method's own, in nats."),
            figure(
                parts, "loss-parts", "Loss in parts",
                "Task loss and weighted balancing loss of the experts in training."
            ), figure(rates, "learning-rate", "Learning rate", "Of the last step before each row."),
            figure(norms, "gradient-norm", "Gradient norm", "Euclidean norm of the global gradient, mean over steps."),
        ].compactMap { $0 }
        return ReportSection("curves", "Learning curves", charts.isEmpty ? [] : [.figures(charts)])
    }

    private func figure(_ chart: LineChart, _ name: String, _ title: String, _ caption: String) -> Figure? {
        chart.isEmpty ? nil : chart.figure(name, title, caption)
    }

    // MARK: - Lines

    private struct Kind: Hashable {
        let split: String
        let inputs: String
    }

    /// The kinds of rows, in the order of their first ones.
    private var kinds: [Kind] {
        var seen: Set<Kind> = []
        return rows.compactMap { row in
            let kind = Kind(split: row["split"] ?? "", inputs: row["inputs"] ?? "")
            return seen.insert(kind).inserted ? kind : nil
        }
    }

    /// Images have colors (clean, attacked), splits have kinds of lines.
    private func style(_ kind: Kind) -> String {
        let attacks = kinds.map(\.inputs).filter { $0 != "clean" }
        var seen: [String] = []
        for name in attacks where !seen.contains(name) { seen.append(name) }
        let color = kind.inputs == "clean" ? 0 : 1 + (seen.firstIndex(of: kind.inputs) ?? 0)
        let dashes = ["train": " dashed", "validation": " dotted"][kind.split] ?? ""
        return ChartStyle.series(color) + dashes
    }

    private func lines(_ column: String, where isShown: (Kind) -> Bool = { _ in true }) -> [LineChart.Series] {
        kinds.filter(isShown).map { kind in
            LineChart.Series(
                name: "\(kind.split), \(kind.inputs)", style: style(kind), points: points(column, kind))
        }.filter { !$0.points.isEmpty }
    }

    private func points(_ column: String, _ kind: Kind) -> [Drawing.Point] {
        let all = rows.compactMap { row -> Drawing.Point? in
            guard row["split"] == kind.split, row["inputs"] == kind.inputs, let value = row.finite(column),
                let step = row.finite("step")
            else { return nil }
            return (step / stepsPerEpoch, value)
        }
        let every = max(1, all.count / Self.points)
        return all.enumerated().filter { $0.offset % every == 0 || $0.offset == all.count - 1 }.map(\.element)
    }

    // MARK: - Charts

    /// Where checkpoints point to.
    private var marks: [LineChart.Mark] {
        ["best", "latest"].compactMap { name in
            let pointer = place.text(FileSystem.join(RunDirectory.checkpointsName, name))?.split(separator: "\n").first
            guard let step = pointer?.split(separator: "-").last.flatMap({ Double($0) }) else { return nil }
            return LineChart.Mark(value: step / stepsPerEpoch, name: name == "latest" ? "last" : name)
        }
    }

    private var accuracies: LineChart {
        var chart = LineChart.shares("epoch", "accuracy")
        chart.series = lines("accuracy")
        chart.places = marks
        // What the network makes of images that it is trained on, as it is at the evaluation, if that was asked for.
        let probes = kinds.filter { $0.split != "train" }.map { kind in
            LineChart.Series(
                name: "train probe, \(kind.inputs)", style: style(kind).prefix { $0 != " " } + " dashed",
                points: points("probe_accuracy", kind))
        }.filter { !$0.points.isEmpty }
        chart.series += probes
        let training = probes.isEmpty ? "train," : "train probe,"
        let attacked = { (isTrain: Bool) in
            chart.series.firstIndex { line in
                line.name.hasPrefix(isTrain ? training : "train") == isTrain && !line.name.hasSuffix(", clean")
                    && line.points.count > 1
            }
        }
        if let train = attacked(true), let held = attacked(false) {
            chart.gaps = [(train, held, "overfitting gap, attacked")]
        }
        return chart
    }

    private var accuracyCaption: String {
        let seen = accuracies.gaps.isEmpty ? "" : " The shaded gap is between attacked training and held-out images."
        return "Share of images classified right.\(seen)"
    }

    private var losses: LineChart {
        var chart = LineChart("epoch", "loss (nats)")
        chart.series = lines("loss")
        chart.places = marks
        return chart
    }

    private var parts: LineChart {
        var chart = LineChart("epoch", "loss (nats)")
        for (number, kind) in kinds.filter({ $0.split == "train" }).enumerated() {
            let balance = points("balance_loss", kind)
            guard balance.contains(where: { $0.y != 0 }) else { continue }
            let task = points("task_loss", kind)
            let styles = (ChartStyle.series(2 * number), ChartStyle.series(2 * number + 1) + " dashed")
            chart.series.append(.init(name: "task, \(kind.inputs)", style: styles.0, points: task))
            chart.series.append(.init(name: "balance, \(kind.inputs)", style: styles.1, points: balance))
        }
        return chart
    }

    private var rates: LineChart {
        var chart = LineChart("epoch", "learning rate")
        chart.series = lines("learning_rate") { $0.split == "train" }
        chart.ordinates = 0...0
        return chart
    }

    private var norms: LineChart {
        var chart = LineChart("epoch", "gradient norm")
        chart.series = lines("gradient_norm") { $0.split == "train" }
        let values = chart.series.flatMap { $0.points.map(\.y) }
        if let low = values.min(), let high = values.max(), low > 0 { chart.isLogarithmic = high / low > 30 }
        if !chart.isLogarithmic { chart.ordinates = 0...0 }
        return chart
    }
}
