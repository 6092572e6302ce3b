/// How values are spread, as a staircase for each of several groups.
struct Histogram {
    /// A group: the share of its values in each interval.
    struct Group {
        let name: String
        let shares: [Double]
    }

    let title: String
    /// The bounds of the intervals, one more than there are.
    let bounds: [Double]
    var groups: [Group] = []
    /// Upright lines.
    var references: [LineChart.Mark] = []

    init(_ title: String, bounds: [Double]) {
        self.title = title
        self.bounds = bounds
    }

    /// The figure.
    func figure(_ name: String, _ title: String, _ caption: String = "") -> Figure {
        var chart = LineChart.shares(self.title, "share of images")
        chart.places = references
        chart.ordinates = 0...0
        // Empty ends tell nothing.
        let used = bounds.indices.dropLast().filter { bin in groups.contains { $0.shares[bin] > 0 } }
        let shown = (used.first ?? 0)...(used.last ?? 0)
        for (number, group) in groups.enumerated() {
            let stairs = shown.flatMap { bin in
                [(x: bounds[bin], y: group.shares[bin]), (x: bounds[bin + 1], y: group.shares[bin])]
            }
            let start = (x: bounds[shown.lowerBound], y: 0.0)
            let end = (x: bounds[shown.upperBound + 1], y: 0.0)
            chart.series.append(
                LineChart.Series(
                    name: group.name, style: ChartStyle.series(number), points: [start] + stairs + [end]))
        }
        let values = ReportTable(
            title, [.number("from"), .number("to")] + groups.map { .number($0.name) },
            shown.map { bin in
                [.number(bounds[bin]), .number(bounds[bin + 1])] + groups.map { .percent($0.shares[bin]) }
            })
        return Figure(name: name, title: title, caption: caption, drawing: chart.drawing, values: values)
    }
}
