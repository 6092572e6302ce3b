/// Bars below each other, each cut into parts of the same kinds.
struct StackedBars {
    /// One bar.
    struct Bar {
        let name: String
        /// A value for each kind of part.
        let values: [Double]
        /// Kinds that are to be pointed at behind the bar, with hatched signs.
        var hatched: [Int] = []
    }

    let title: String
    /// The kinds of parts.
    let kinds: [String]
    var bars: [Bar] = []
    /// Upright lines.
    var references: [LineChart.Mark] = []
    /// The end of the axis; nil for the longest bar's.
    var end: Double?
    var axisText: (Double) -> String = NumberText.roughPercent
    var valueText: (Double) -> String = { NumberText.percent($0) }
    /// What hatched signs say.
    var hatchedWords = ""

    private static let rowHeight = 24.0

    init(_ title: String, kinds: [String]) {
        self.title = title
        self.kinds = kinds
    }

    /// The picture.
    var drawing: Drawing {
        let names = bars.map { Drawing.width(of: $0.name) }.max() ?? 0
        let left = min(170, max(60, names + 12))
        let keys = kinds.enumerated().map {
            ChartFrame.Key(style: "area \(ChartStyle.series($0.offset))", words: $0.element, isLine: false)
        }
        let signs = Double(bars.map(\.hatched.count).max() ?? 0) * 20
        var frame = ChartFrame(height: Double(bars.count) * Self.rowHeight + 6, keys: keys, left: left)
        let end = end ?? max(bars.map { $0.values.reduce(0, +) }.max() ?? 1, 1e-12)
        let x = Scale(0...end, from: frame.left, to: frame.right - signs - 4)
        for tick in x.ticks { frame.drawing.line((x(tick), frame.top), (x(tick), frame.bottom), "grid") }
        frame.draw(x: .init(title, x, text: axisText), y: nil)
        for (row, bar) in bars.enumerated() {
            let middle = frame.top + (Double(row) + 0.5) * Self.rowHeight + 3
            frame.drawing.words(bar.name, at: (frame.left - 6, middle + 4), "label end", fitting: left - 8)
            var start = 0.0
            for (kind, value) in bar.values.enumerated() where value > 0 {
                frame.drawing.rectangle(
                    x: x(start), y: middle - 8, width: x(start + value) - x(start), height: 16,
                    "cell area \(ChartStyle.series(kind))", hint: "\(bar.name), \(kinds[kind]): \(valueText(value))")
                start += value
            }
            for (place, kind) in bar.hatched.enumerated() {
                let left = frame.right - signs + Double(place) * 20
                let hint = "\(bar.name), \(kinds[kind]): \(hatchedWords)"
                frame.drawing.hatched(x: left, y: middle - 8, width: 17, height: 16, hint: hint)
                frame.drawing.words("\(kind)", at: (left + 8.5, middle + 4), "strong middle", hint: hint)
            }
        }
        for mark in references {
            frame.drawing.line((x(mark.value), frame.top), (x(mark.value), frame.bottom), "reference", hint: mark.name)
        }
        return frame.drawing
    }

    /// What is drawn, a row a bar.
    func table(_ caption: String) -> ReportTable {
        ReportTable(
            caption, [.init("name")] + kinds.map { .number($0) },
            bars.map { bar in
                [.init(bar.name)] + bar.values.map { ReportTable.Cell(valueText($0), order: $0) }
            })
    }

    /// The figure.
    func figure(_ name: String, _ title: String, _ caption: String = "") -> Figure {
        Figure(name: name, title: title, caption: caption, drawing: drawing, values: table(title))
    }
}
