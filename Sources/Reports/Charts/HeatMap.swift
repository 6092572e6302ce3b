/// A grid of cells whose color tells their value.
struct HeatMap {
    let rowTitle: String
    let rows: [String]
    let columnTitle: String
    let columns: [String]
    /// `[row][column]`; nil where there is nothing.
    let values: [[Double?]]
    /// The value of full color; values below 0 have a color of their own.
    var full = 1.0
    /// How values are written in hints and tables.
    var valueText: (Double) -> String = { NumberText.percent($0) }
    /// How values are written in cells that are large enough.
    var cellText: (Double) -> String = { NumberText.short(($0 * 100).rounded()) }

    private static let least = 3.0
    private static let largest = 30.0

    /// The picture.
    var drawing: Drawing {
        let left = min(130, max(44, (rows.map { Drawing.width(of: $0) }.max() ?? 0) + 24))
        let names = columns.map { Drawing.width(of: $0) }.max() ?? 0
        let size = max(Self.least, (ChartFrame.width - left - 14) / Double(max(1, columns.count)))
        let height = min(Self.largest, max(rows.count > 30 ? Self.least : 14, size * 0.8))
        let isNamed = size >= 9
        let below = isNamed ? min(90, names) + 28 : 24
        let top = 6.0
        var drawing = Drawing(
            width: max(ChartFrame.width, left + size * Double(columns.count) + 14),
            height: top + height * Double(rows.count) + below)
        for (row, name) in rows.enumerated() {
            let y = top + Double(row) * height
            if height >= 9 {
                drawing.words(name, at: (left - 5, y + height / 2 + 4), "label end", fitting: left - 22)
            }
            for (column, other) in columns.enumerated() {
                let x = left + Double(column) * size
                let hint = "\(rowTitle) \(name), \(columnTitle) \(other): "
                guard let value = values[row][column] else {
                    drawing.rectangle(x: x, y: y, width: size, height: height, "cell empty", hint: hint + "nothing")
                    continue
                }
                let share = min(1, abs(value) / max(full, 1e-12))
                drawing.rectangle(x: x, y: y, width: size, height: height, "cell empty")
                drawing.rectangle(
                    x: x, y: y, width: size, height: height, "cell \(color(value))", opacity: share,
                    hint: hint + valueText(value))
                if size >= 22, height >= 12 {
                    drawing.words(
                        cellText(value), at: (x + size / 2, y + height / 2 + 4), share > 0.6 ? "middle on" : "middle",
                        hint: hint + valueText(value))
                }
            }
        }
        let bottom = top + height * Double(rows.count)
        if isNamed {
            for (column, name) in columns.enumerated() {
                let x = left + (Double(column) + 0.5) * size
                drawing.words(Drawing.cut(name, to: 90), at: (x + 4, bottom + 6), "label end", turn: -90, hint: name)
            }
        }
        drawing.words(columnTitle, at: (left + size * Double(columns.count) / 2, bottom + below - 6), "label middle")
        drawing.words(rowTitle, at: (11, top + height * Double(rows.count) / 2), "label middle", turn: -90)
        return drawing
    }

    private func color(_ value: Double) -> String {
        values.contains { $0.contains { $0 ?? 0 < 0 } } ? (value < 0 ? "minus" : "plus") : "heat"
    }

    /// The figure.
    func figure(_ name: String, _ title: String, _ caption: String = "") -> Figure {
        let table = ReportTable(
            title, [.init(rowTitle)] + columns.map { .number($0) },
            zip(rows, values).map { row, values in
                [.init(row)] + values.map { ReportTable.Cell($0.map(valueText) ?? "–", order: $0) }
            })
        return Figure(name: name, title: title, caption: caption, drawing: drawing, values: table)
    }
}
