/// Bars from left to right below each other, with whiskers where a value has an interval.
struct BarChart {
    /// One bar.
    struct Bar {
        let name: String
        let value: Double
        var low: Double?
        var high: Double?
        /// The class of its color.
        let style: String
        /// What was published of it.
        var published: Double?
        /// What stands behind its value, few words.
        var note = ""
    }

    let title: String
    var bars: [Bar] = []
    /// An upright line with a name.
    var reference: LineChart.Mark?
    var domain: ClosedRange<Double> = 0...1
    var axisText: (Double) -> String = NumberText.roughPercent
    var valueText: (Double) -> String = { NumberText.percent($0) }

    private static let rowHeight = 24.0

    init(_ title: String) { self.title = title }

    /// The picture.
    var drawing: Drawing {
        let names = bars.map { Drawing.width(of: $0.name) }.max() ?? 0
        let left = min(230, max(60, names + 12))
        var frame = ChartFrame(height: Double(bars.count) * Self.rowHeight + 6, left: left)
        let x = Scale(domain, from: frame.left, to: frame.right - 46)
        for tick in x.ticks { frame.drawing.line((x(tick), frame.top), (x(tick), frame.bottom), "grid") }
        frame.draw(x: .init(title, x, text: axisText), y: nil)
        for (index, bar) in bars.enumerated() {
            let middle = frame.top + (Double(index) + 0.5) * Self.rowHeight + 3
            frame.drawing.words(bar.name, at: (frame.left - 6, middle + 4), "label end", fitting: left - 8)
            let interval = bar.low.flatMap { low in bar.high.map { " [\(valueText(low)), \(valueText($0))]" } } ?? ""
            let hint = "\(bar.name): \(valueText(bar.value))\(interval)\(bar.note.isEmpty ? "" : ", \(bar.note)")"
            frame.drawing.rectangle(
                x: frame.left, y: middle - 8, width: x(bar.value) - frame.left, height: 16, "area \(bar.style)",
                hint: hint)
            if let low = bar.low, let high = bar.high {
                frame.drawing.line((x(low), middle), (x(high), middle), "whisker", hint: hint)
                for end in [low, high] {
                    frame.drawing.line((x(end), middle - 4), (x(end), middle + 4), "whisker")
                }
            }
            if let published = bar.published {
                let place = x(published)
                frame.drawing.line(
                    (place, middle - 10), (place, middle + 10), "reference",
                    hint: "\(bar.name), published: \(valueText(published))")
            }
            let end = x(max(bar.value, bar.high ?? 0)) + 5
            frame.drawing.words(valueText(bar.value), at: (end, middle + 4), "strong")
        }
        if let reference {
            let place = x(reference.value)
            frame.drawing.line((place, frame.top), (place, frame.bottom), "reference", hint: reference.name)
        }
        return frame.drawing
    }

    /// Whether published values stand beside any bar.
    private var hasPublished: Bool { bars.contains { $0.published != nil } }

    /// What is drawn, a row a bar.
    func table(_ caption: String) -> ReportTable {
        ReportTable(
            caption,
            [.init("name"), .number(title), .number("low"), .number("high")]
                + (hasPublished ? [.number("published")] : []) + [.init("note")],
            bars.map { bar in
                [
                    .init(bar.name), .init(valueText(bar.value), order: bar.value),
                    .init(bar.low.map(valueText) ?? "–", order: bar.low),
                    .init(bar.high.map(valueText) ?? "–", order: bar.high),
                ] + (hasPublished ? [.init(bar.published.map(valueText) ?? "–", order: bar.published)] : []) + [
                    .init(bar.note)
                ]
            })
    }

    /// The figure.
    func figure(_ name: String, _ title: String, _ caption: String = "") -> Figure {
        Figure(name: name, title: title, caption: caption, drawing: drawing, values: table(title))
    }
}
