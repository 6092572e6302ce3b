import Files

/// What attacks leave of the accuracy, from clean images to the worst case, and how that hangs on radius and steps.
struct EvaluationLadder {
    private let verdicts: [Verdict]
    private let rows: [TextRow]

    init?(_ run: ReportedRun) {
        guard let final = run.finalEvaluation else { return nil }
        rows = final.rows
        verdicts = rows.map(Verdict.init)
    }

    /// The section.
    var section: ReportSection? {
        var figures = [ladder]
        figures += [sweep(.epsilon), sweep(.steps)].compactMap { $0 }
        return ReportSection("evaluation", "Evaluation", [.figures(figures), .table(table)])
    }

    private var ladder: Figure {
        var chart = BarChart("accuracy")
        chart.bars = verdicts.compactMap { verdict in
            verdict.accuracy.map { accuracy in
                BarChart.Bar(
                    name: verdict.name, value: accuracy, low: verdict.low, high: verdict.high, style: style(verdict),
                    note: verdict.settings)
            }
        }
        let ends = chart.bars.map { $0.high ?? $0.value }
        chart.domain = 0...max(0.1, Scale.roundRange(ends, includingZero: true).upperBound)
        let images = verdicts.first.map { "\($0.samples.map(NumberText.count) ?? "?") images of \($0.images)" } ?? ""
        return chart.figure(
            "ladder", "Accuracy under each attack",
            "On \(images); whiskers are 95% intervals (Wilson). Stages of a ladder are cumulative: each has only what the "
                + "ones before it left.")
    }

    private func style(_ verdict: Verdict) -> String {
        verdict.isClean ? "s0" : verdict.isWorstCase ? "s6" : verdict.isStage ? "s7" : "s1"
    }

    /// Accuracies over radii or steps, a line for each attack that was made with several.
    private func sweep(_ key: Verdict.SweptKey) -> Figure? {
        var families: [(name: String, members: [Verdict])] = []
        for verdict in verdicts where !verdict.isStage && verdict.epsilon != nil {
            let family = verdict.family(without: key)
            if let index = families.firstIndex(where: { $0.name == family }) {
                families[index].members.append(verdict)
            } else {
                families.append((family, [verdict]))
            }
        }
        let clean = verdicts.first { $0.name == "clean" }?.accuracy
        // Radii of l-infinity balls are read as so many 255ths.
        let isOf255 = families.allSatisfy { $0.members.allSatisfy { $0.radius?.hasPrefix("L∞") == true } }
        let unit = isOf255 ? 255.0 : 1
        var chart = LineChart.shares(key == .steps ? "steps" : isOf255 ? "radius (255ths)" : "radius", "accuracy")
        chart.ordinates = 0...(clean ?? 1)
        chart.heights = clean.map { [LineChart.Mark(value: $0, name: "clean")] } ?? []
        for (_, members) in families {
            let points = members.compactMap { verdict -> Drawing.Point? in
                guard let accuracy = verdict.accuracy else { return nil }
                let place = key == .epsilon ? verdict.epsilon.map { $0 * unit } : verdict.steps.map(Double.init)
                return place.map { ($0, accuracy) }
            }.sorted { $0.x < $1.x }
            guard Set(points.map(\.x)).count > 1 else { continue }
            let atZero = key == .epsilon ? clean.map { [(x: 0.0, y: $0)] } ?? [] : []
            let other = key == .epsilon ? members[0].steps.map { "\($0) steps" } : members[0].radius
            let kind = members[0].name.prefix { $0 != "-" }
            chart.series.append(
                LineChart.Series(
                    name: [String(kind), other].compactMap { $0 }.joined(separator: ", "),
                    style: ChartStyle.series(chart.series.count + 1), points: atZero + points))
        }
        guard !chart.series.isEmpty else { return nil }
        return key == .epsilon
            ? chart.figure(
                "sweep-radius", "Accuracy over the radius",
                "An attack that works takes a network to nothing as its radius grows; step sizes grow with it. At radius 0 "
                    + "images are clean.")
            : chart.figure(
                "sweep-steps", "Accuracy over steps",
                "Where more steps still take images, the attack is not at its end; where they give some back, it is broken."
            )
    }

    private var table: ReportTable {
        ReportTable(
            "All rows of the last evaluation",
            [
                .init("attack"), .number("accuracy"), .number("95% from"), .number("to"), .number("right"),
                .number("images"), .init("settings"), .number("seconds"), .init("flags"),
            ],
            zip(verdicts, rows).map { verdict, row in
                [
                    .init(verdict.name), .percent(verdict.accuracy), .percent(verdict.low), .percent(verdict.high),
                    .number(row.finite("correct")), .number(verdict.samples.map(Double.init)), .init(verdict.settings),
                    .number(row.finite("seconds")), .init(verdict.flags.joined(separator: ", ")),
                ]
            })
    }
}
