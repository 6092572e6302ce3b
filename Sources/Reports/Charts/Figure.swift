/// A chart with what tells about it: a title, a caption, and its values as a table.
struct Figure {
    /// The name that `--figure` knows it by; the same in all runs.
    let name: String
    let title: String
    /// What is shown and how it is to be read; may be empty.
    let caption: String
    let drawing: Drawing
    /// What is drawn, in figures.
    let values: ReportTable

    /// The picture alone, as a file of its own.
    var svg: String {
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a figure of a RobustMoE report -->\n"
            + drawing.svg(identifier: name, title: title, description: caption, style: ChartStyle.alone).text + "\n"
    }

    /// The figure in a page.
    /// - Parameters:
    ///   - prefix: Tells it from the same figure of other runs.
    ///   - level: The level of its heading.
    func markup(prefix: String, level: Int) -> Markup {
        let identifier = prefix + name
        return Self.template([
            "identifier": identifier, "title": title, "caption": caption.isEmpty ? nil : caption,
            "level": level,
            "picture": drawing.svg(identifier: identifier, title: title, description: caption),
            "values": values.markup,
        ])
    }

    private static let template = Template(
        """
        <figure id="{{identifier}}">
        <h{{level}} class="part">{{title}}</h{{level}}>
        {{{picture}}}
        <figcaption>{{caption}}</figcaption>
        <details class="values"><summary>Values: {{title}}</summary>{{{values}}}</details>
        </figure>
        """)
}
