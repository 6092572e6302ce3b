/// Lines over a common axis, with areas between them, and marks of places and heights.
struct LineChart {
    /// One line.
    struct Series {
        let name: String
        /// Classes of the line, such as `s0 dashed`.
        let style: String
        /// Its points, from left to right.
        let points: [Drawing.Point]
    }

    /// A place or a height with a name.
    struct Mark {
        let value: Double
        let name: String
    }

    let horizontalTitle: String
    let verticalTitle: String
    var series: [Series] = []
    /// Areas between pairs of lines that share some abscissae, given by the lines' places.
    var gaps: [(Int, Int, name: String)] = []
    /// Upright lines.
    var places: [Mark] = []
    /// Level lines.
    var heights: [Mark] = []
    /// The least range of ordinates.
    var ordinates: ClosedRange<Double>?
    var isLogarithmic = false
    var horizontalText: (Double) -> String = NumberText.short
    var verticalText: (Double) -> String = NumberText.short
    /// How values are written in hints and tables.
    var valueText: (Double) -> String = NumberText.short
    var height = 190.0

    /// Points that have a dot and a hint; of longer lines some.
    private static let dots = 80

    init(_ horizontalTitle: String, _ verticalTitle: String) {
        self.horizontalTitle = horizontalTitle
        self.verticalTitle = verticalTitle
    }

    /// The chart of accuracies.
    static func shares(_ horizontalTitle: String, _ verticalTitle: String) -> LineChart {
        var chart = LineChart(horizontalTitle, verticalTitle)
        chart.verticalText = NumberText.roughPercent
        chart.valueText = { NumberText.percent($0) }
        return chart
    }

    /// Whether there is nothing to draw.
    var isEmpty: Bool { series.allSatisfy { $0.points.isEmpty } }

    /// The picture.
    var drawing: Drawing {
        var keys = series.map { ChartFrame.Key(style: "line \($0.style)", words: $0.name, isLine: true) }
        keys += gaps.map { ChartFrame.Key(style: "gap", words: $0.name, isLine: false) }
        var frame = ChartFrame(height: height, keys: keys)
        let points = series.flatMap(\.points)
        let abscissae = points.map(\.x) + places.map(\.value)
        let x = frame.horizontal((abscissae.min() ?? 0)...(abscissae.max() ?? 1))
        let y = verticalScale(frame, points.map(\.y))
        frame.draw(
            x: .init(horizontalTitle, x, text: horizontalText), y: .init(verticalTitle, y, text: verticalText))
        for (first, second, name) in gaps {
            drawGap(series[first].points, series[second].points, name, x, y, &frame.drawing)
        }
        for mark in heights {
            frame.drawing.line((frame.left, y(mark.value)), (frame.right, y(mark.value)), "reference", hint: mark.name)
        }
        for mark in places {
            let place = x(mark.value)
            frame.drawing.line((place, frame.top), (place, frame.bottom), "reference", hint: mark.name)
            let isRight = place > (frame.left + frame.right) / 2
            let words = (place + (isRight ? -4 : 4), frame.top + 8)
            frame.drawing.words(mark.name, at: words, isRight ? "soft end" : "soft")
        }
        for line in series { draw(line, x, y, &frame.drawing) }
        // Over the lines; names of heights that lie close stand below each other.
        var free = -Double.infinity
        for mark in heights.sorted(by: { $0.value > $1.value }) {
            let words = max(y(mark.value) - 4, free)
            free = words + 12
            frame.drawing.words(mark.name, at: (frame.right, words), "soft end halo")
        }
        return frame.drawing
    }

    private func verticalScale(_ frame: ChartFrame, _ values: [Double]) -> Scale {
        let finite = values.filter(\.isFinite) + heights.map(\.value)
        if isLogarithmic, let low = finite.min(), let high = finite.max(), low > 0 {
            return Scale(logarithmic: low...high, from: frame.bottom, to: frame.top)
        }
        if let ordinates {
            let all = finite + [ordinates.lowerBound, ordinates.upperBound]
            return frame.vertical((all.min() ?? 0)...(all.max() ?? 1))
        }
        return frame.vertical(Scale.roundRange(finite))
    }

    private func draw(_ line: Series, _ x: Scale, _ y: Scale, _ drawing: inout Drawing) {
        let points = line.points.filter { $0.y.isFinite }
        drawing.path(points.map { (x($0.x), y($0.y)) }, "line \(line.style)", hint: line.name)
        let step = max(1, (points.count + Self.dots - 1) / Self.dots)
        let color = line.style.split(separator: " ").first.map(String.init) ?? ""
        for (index, point) in points.enumerated() where index % step == 0 || index == points.count - 1 {
            drawing.dot(
                (x(point.x), y(point.y)), radius: points.count > 40 ? 1.5 : 2.6, "dot \(color)",
                hint: "\(line.name), \(horizontalTitle) \(horizontalText(point.x)): \(valueText(point.y))")
        }
    }

    private func drawGap(
        _ first: [Drawing.Point], _ second: [Drawing.Point], _ name: String, _ x: Scale, _ y: Scale,
        _ drawing: inout Drawing
    ) {
        guard let low = [first, second].compactMap(\.first?.x).max(),
            let high = [first, second].compactMap(\.last?.x).min(), low < high
        else { return }
        // Both lines are straight between their own points alone.
        let shared = Set((first + second).map(\.x).filter { (low...high).contains($0) }).sorted()
        let edges = shared.map { (x: $0, y: Self.height(of: first, at: $0), below: Self.height(of: second, at: $0)) }
        guard edges.count > 1, let last = edges.last else { return }
        let below = edges.reversed().map { (x: x($0.x), y: y($0.below)) }
        drawing.area(
            edges.map { (x: x($0.x), y: y($0.y)) } + below, "gap",
            hint: "\(name): \(valueText(last.y - last.below)) at \(horizontalTitle) \(horizontalText(last.x))")
    }

    /// The height of a line, which goes from left to right, at a place between its ends.
    private static func height(of points: [Drawing.Point], at place: Double) -> Double {
        guard let next = points.firstIndex(where: { $0.x >= place }) else { return points.last?.y ?? 0 }
        let (end, start) = (points[next], points[max(0, next - 1)])
        guard end.x > start.x, end.x != place else { return end.y }
        return start.y + (end.y - start.y) * (place - start.x) / (end.x - start.x)
    }

    /// What is drawn, a row an abscissa.
    func table(_ caption: String) -> ReportTable {
        let abscissae = Set(series.flatMap { $0.points.map(\.x) }).sorted()
        let lines = series.map { Dictionary($0.points.map { ($0.x, $0.y) }) { $1 } }
        return ReportTable(
            caption, [.number(horizontalTitle)] + series.map { .number($0.name) },
            abscissae.map { place in
                [.init(horizontalText(place), order: place)]
                    + lines.map { line in ReportTable.Cell(line[place].map(valueText) ?? "–", order: line[place]) }
            })
    }

    /// The figure.
    func figure(_ name: String, _ title: String, _ caption: String = "") -> Figure {
        Figure(name: name, title: title, caption: caption, drawing: drawing, values: table(title))
    }
}
