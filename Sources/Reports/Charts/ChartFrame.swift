/// The axes of a chart, with the place that is left for what it shows.
struct ChartFrame {
    /// An axis: what it measures, its unit included, and how its values are written.
    struct Axis {
        let title: String
        let scale: Scale
        let text: (Double) -> String

        init(_ title: String, _ scale: Scale, text: @escaping (Double) -> String = NumberText.short) {
            self.title = title
            self.scale = scale
            self.text = text
        }
    }

    /// An entry of a legend: the class of its sign, and its words.
    struct Key {
        let style: String
        let words: String
        /// Whether its sign is a line rather than an area.
        let isLine: Bool
    }

    /// The width of charts.
    static let width = 460.0
    /// The place of what is shown, from the left and from the top.
    private(set) var left = 52.0
    private(set) var right = ChartFrame.width - 14
    private(set) var top: Double
    private(set) var bottom: Double
    /// The picture.
    var drawing: Drawing
    private let keys: [(key: Key, place: Drawing.Point)]

    private static let keyHeight = 16.0

    /// Places a legend above what is shown.
    /// - Parameter height: Of what is shown.
    init(height: Double, keys: [Key] = [], left: Double = 52, below: Double = 40) {
        self.left = left
        var placed: [(Key, Drawing.Point)] = []
        var (x, row) = (left, 0.0)
        for key in keys {
            let width = Drawing.width(of: key.words) + 30
            if x + width > Self.width, x > left { (x, row) = (left, row + 1) }
            placed.append((key, (x, 12 + row * Self.keyHeight)))
            x += width
        }
        self.keys = placed
        top = keys.isEmpty ? 12 : 12 + (row + 1) * Self.keyHeight
        bottom = top + height
        drawing = Drawing(width: Self.width, height: bottom + below)
    }

    /// A scale over the width.
    func horizontal(_ domain: ClosedRange<Double>, ticks: Int = 6) -> Scale {
        Scale(domain, from: left, to: right, ticks: ticks)
    }

    /// A scale over the height.
    func vertical(_ domain: ClosedRange<Double>, ticks: Int = 5) -> Scale {
        Scale(domain, from: bottom, to: top, ticks: ticks)
    }

    /// Draws the legend, and the axes with lines across at the ticks of the vertical one.
    mutating func draw(x: Axis?, y: Axis?) {
        for (key, place) in keys {
            if key.isLine {
                drawing.line((place.x, place.y - 4), (place.x + 18, place.y - 4), key.style)
            } else {
                drawing.rectangle(x: place.x, y: place.y - 9, width: 14, height: 10, key.style)
            }
            drawing.words(key.words, at: (place.x + 22, place.y), "label")
        }
        if let y {
            for tick in y.scale.ticks {
                let place = y.scale(tick)
                drawing.line((left, place), (right, place), "grid")
                drawing.words(y.text(tick), at: (left - 6, place + 4), "label end")
            }
            drawing.words(y.title, at: (12, (top + bottom) / 2), "label middle", turn: -90)
        }
        if let x {
            for tick in x.scale.ticks {
                let place = x.scale(tick)
                drawing.line((place, bottom), (place, bottom + 4), "axis")
                drawing.words(x.text(tick), at: (place, bottom + 16), "label middle")
            }
            drawing.words(x.title, at: ((left + right) / 2, bottom + 33), "label middle")
        }
        drawing.line((left, bottom), (right, bottom), "axis")
    }
}
