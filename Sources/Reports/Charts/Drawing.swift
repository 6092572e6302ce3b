import Foundation

/// An SVG picture of lines, areas and words; colors hang on the classes of its parts, see ``ChartStyle``.
///
/// A part with a hint shows it while the pointer rests there, and tells it to who cannot see the picture.
struct Drawing {
    /// The extent in units, one of which is a CSS pixel where the picture is not scaled.
    let width: Double
    let height: Double
    private var marks: [[String: Any]] = []

    /// A point of the picture; y points down.
    typealias Point = (x: Double, y: Double)

    /// An empty picture.
    init(width: Double, height: Double) {
        self.width = width
        self.height = height
    }

    /// Adds a straight line.
    mutating func line(_ from: Point, _ to: Point, _ style: String, hint: String? = nil) {
        add("line", ["x1": from.x, "y1": from.y, "x2": to.x, "y2": to.y], style, hint)
    }

    /// Adds a line through points.
    mutating func path(_ points: [Point], _ style: String, hint: String? = nil) {
        add("polyline", [:], style, hint, points: points)
    }

    /// Adds an area with corners.
    mutating func area(_ corners: [Point], _ style: String, hint: String? = nil) {
        add("polygon", [:], style, hint, points: corners)
    }

    /// Adds a rectangle.
    /// - Parameter opacity: How much of its color covers what lies below it, in [0, 1].
    mutating func rectangle(
        x: Double, y: Double, width: Double, height: Double, _ style: String, opacity: Double? = nil,
        hint: String? = nil
    ) {
        var numbers = ["x": x, "y": y, "width": max(0, width), "height": max(0, height)]
        numbers["fill-opacity"] = opacity
        add("rect", numbers, style, hint)
    }

    /// Adds a rectangle of slanted lines.
    mutating func hatched(x: Double, y: Double, width: Double, height: Double, hint: String) {
        rectangle(x: x, y: y, width: width, height: height, "hatch", hint: hint)
        for start in stride(from: -height, to: width, by: 4) {
            let (low, high) = (max(0, start), min(width, start + height))
            line((x + low, y + height - (low - start)), (x + high, y + height - (high - start)), "hatch")
        }
    }

    /// Adds a dot.
    mutating func dot(_ center: Point, radius: Double, _ style: String, hint: String? = nil) {
        add("circle", ["cx": center.x, "cy": center.y, "r": radius], style, hint)
    }

    /// Adds words.
    /// - Parameter turn: Degrees, clockwise around the place.
    mutating func words(_ text: String, at place: Point, _ style: String, turn: Double = 0, hint: String? = nil) {
        var mark = element("text", ["x": place.x, "y": place.y], style, hint)
        mark["words"] = text
        if turn != 0 { mark["turn"] = "rotate(\(Self.number(turn)) \(Self.number(place.x)) \(Self.number(place.y)))" }
        marks.append(mark)
    }

    /// Adds the words, cut to fit into a width, whole as a hint.
    mutating func words(_ text: String, at place: Point, _ style: String, fitting width: Double) {
        let fitted = Self.cut(text, to: width)
        words(fitted, at: place, style, hint: fitted == text ? nil : text)
    }

    /// About the width of words at the size of charts' labels.
    static func width(of text: String) -> Double { Double(text.count) * 6.6 }

    /// The words, their middle left out where they are wider.
    static func cut(_ text: String, to width: Double) -> String {
        let count = Int(width / 6.6)
        guard text.count > count, count > 1 else { return text }
        let head = (count - 1) / 2
        return text.prefix(count - 1 - head) + "…" + text.suffix(head)
    }

    private mutating func add(
        _ name: String, _ numbers: [String: Double], _ style: String, _ hint: String?, points: [Point] = []
    ) {
        var mark = element(name, numbers, style, hint)
        if !points.isEmpty {
            mark["points"] = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }.joined(separator: " ")
        }
        marks.append(mark)
    }

    private func element(
        _ name: String, _ numbers: [String: Double], _ style: String, _ hint: String?
    ) -> [String: Any] {
        let attributes: [[String: Any]] = numbers.sorted { $0.key < $1.key }.map {
            ["name": $0.key, "value": Self.number($0.value)]
        }
        var mark: [String: Any] = ["element": name, "attributes": attributes, "style": style]
        mark["hint"] = hint
        return mark
    }

    private static func number(_ value: Double) -> String {
        let text = String(format: "%.2f", value)
        return text.contains(".") ? String(text.reversed().drop { $0 == "0" }.drop { $0 == "." }.reversed()) : text
    }

    /// The picture as SVG.
    /// - Parameters:
    ///   - identifier: Tells its parts from those of other pictures of the page.
    ///   - style: A style sheet to go with it, where it stands alone.
    func svg(identifier: String, title: String, description: String, style: String? = nil) -> Markup {
        Self.template([
            "identifier": identifier, "width": Self.number(width), "height": Self.number(height), "title": title,
            "description": description, "sheet": style.map { Markup(text: $0) }, "marks": marks,
        ])
    }

    private static let template = Template(
        """
        <svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {{width}} {{height}}" role="img" \
        aria-labelledby="{{identifier}}-title {{identifier}}-description">
        <title id="{{identifier}}-title">{{title}}</title><desc id="{{identifier}}-description">{{description}}</desc>
        {{#sheet}}<style>{{{sheet}}}</style><rect class="paper" width="100%" height="100%"/>{{/sheet}}
        {{#marks}}<{{element}}{{#attributes}} {{name}}="{{value}}"{{/attributes}}\
        {{#points}} points="{{points}}"{{/points}}{{#turn}} transform="{{turn}}"{{/turn}} class="{{style}}">\
        {{#hint}}<title>{{hint}}</title>{{/hint}}{{words}}</{{element}}>{{/marks}}
        </svg>
        """)
}
