/// Shares that add up to 1 over a common axis, one upon the other, with a strip below that is hatched where one is none.
struct StackedShares {
    let horizontalTitle: String
    let kinds: [String]
    /// The abscissae, rising, each with a share for every kind.
    let columns: [(place: Double, shares: [Double])]
    /// For each column, whether a kind had nothing at all.
    let dead: [[Bool]]

    private static let stripHeight = 9.0

    /// The picture.
    var drawing: Drawing {
        let keys = kinds.enumerated().map {
            ChartFrame.Key(style: "area \(ChartStyle.series($0.offset))", words: $0.element, isLine: false)
        }
        let isAnyDead = dead.contains { $0.contains(true) }
        let strip = isAnyDead ? Double(kinds.count) * Self.stripHeight + 8 : 0
        var frame = ChartFrame(height: 130, keys: keys, below: 40 + strip)
        let first = columns.first?.place ?? 0
        let x = frame.horizontal(first...max(columns.last?.place ?? 1, first))
        let y = frame.vertical(0...1)
        frame.draw(
            x: .init(horizontalTitle, x), y: .init("share of choices", y, text: NumberText.roughPercent))
        for kind in kinds.indices {
            let lower = columns.map { column in
                (x: x(column.place), y: y(column.shares[..<kind].reduce(0, +)))
            }
            let upper = columns.map { column in
                (x: x(column.place), y: y(column.shares[...kind].reduce(0, +)))
            }
            let last = columns.last?.shares[kind]
            frame.drawing.area(
                upper + lower.reversed(), "cell area \(ChartStyle.series(kind))",
                hint: "\(kinds[kind]): \(NumberText.percent(last)) at the end")
        }
        for share in 1..<max(2, kinds.count) {
            let level = y(Double(share) / Double(kinds.count))
            frame.drawing.line(
                (frame.left, level), (frame.right, level), "reference", hint: "equal shares, 1/\(kinds.count) each")
        }
        if isAnyDead { drawStrip(x, &frame) }
        return frame.drawing
    }

    private func drawStrip(_ x: Scale, _ frame: inout ChartFrame) {
        let top = frame.bottom + 42
        for kind in kinds.indices {
            let level = top + Double(kind) * Self.stripHeight
            frame.drawing.words("\(kind)", at: (frame.left - 6, level + 8), "label end")
            frame.drawing.rectangle(
                x: frame.left, y: level, width: frame.right - frame.left, height: Self.stripHeight - 1, "outline")
            for (index, column) in columns.enumerated() where dead[index][kind] {
                let start = index > 0 ? (x(columns[index - 1].place) + x(column.place)) / 2 : frame.left
                let end =
                    index + 1 < columns.count ? (x(columns[index + 1].place) + x(column.place)) / 2 : frame.right
                frame.drawing.hatched(
                    x: start, y: level, width: end - start, height: Self.stripHeight - 1,
                    hint: "\(kinds[kind]) got no image at \(horizontalTitle) \(NumberText.short(column.place))")
            }
        }
    }

    /// The figure.
    func figure(_ name: String, _ title: String, _ caption: String = "") -> Figure {
        let values = ReportTable(
            title, [.number(horizontalTitle)] + kinds.map { .number($0) },
            columns.enumerated().map { index, column in
                [.number(column.place)]
                    + column.shares.enumerated().map { kind, share in
                        .init(dead[index][kind] ? "dead" : NumberText.percent(share), order: share)
                    }
            })
        return Figure(name: name, title: title, caption: caption, drawing: drawing, values: values)
    }
}
