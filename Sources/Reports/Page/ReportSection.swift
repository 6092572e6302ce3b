/// A section of a report: a heading, and what stands below it.
struct ReportSection {
    /// What a section is made of.
    enum Part {
        /// Words.
        case text(String)
        /// A heading of its own.
        case heading(String)
        /// Charts side by side, as many as the page is wide.
        case figures([Figure])
        case table(ReportTable)
        /// What only those want to see who ask for it.
        case folded(title: String, isOpen: Bool, [Part])
        /// What a template of the section made.
        case markup(Markup)
    }

    /// What links to it say.
    let name: String
    let title: String
    var parts: [Part]

    /// A section; nil where there is nothing in it.
    init?(_ name: String, _ title: String, _ parts: [Part]) {
        guard !parts.isEmpty else { return nil }
        self.name = name
        self.title = title
        self.parts = parts
    }

    /// Its figures, those of folded parts too.
    var figures: [Figure] { Self.figures(parts) }

    private static func figures(_ parts: [Part]) -> [Figure] {
        parts.flatMap { part -> [Figure] in
            switch part {
            case .figures(let figures): figures
            case .folded(_, _, let parts): Self.figures(parts)
            case .text, .heading, .table, .markup: []
            }
        }
    }

    /// The section as HTML.
    /// - Parameters:
    ///   - prefix: Tells it from the same section of other runs.
    ///   - level: The level of its heading.
    func markup(prefix: String, level: Int) -> Markup {
        Self.template([
            "identifier": prefix + name, "title": title, "level": level,
            "body": Markup.joined(parts.map { Self.markup($0, prefix, level + 1) }),
        ])
    }

    private static func markup(_ part: Part, _ prefix: String, _ level: Int) -> Markup {
        switch part {
        case .text(let text): paragraph(["text": text])
        case .heading(let text): heading(["text": text, "level": level])
        case .figures(let figures): grid(["figures": figures.map { $0.markup(prefix: prefix, level: level) }])
        case .table(let table): table.markup
        case .folded(let title, let isOpen, let parts):
            fold(["title": title, "open": isOpen, "body": Markup.joined(parts.map { markup($0, prefix, level) })])
        case .markup(let markup): markup
        }
    }

    private static let template = Template(
        """
        <section id="{{identifier}}" aria-labelledby="{{identifier}}-heading">
        <h{{level}} class="section" id="{{identifier}}-heading">{{title}}</h{{level}}>
        {{{body}}}
        </section>
        """)
    private static let paragraph = Template("<p>{{text}}</p>")
    private static let heading = Template("<h{{level}} class=\"part\">{{text}}</h{{level}}>")
    private static let grid = Template(
        """
        <div class="figures">
        {{#figures}}{{{.}}}
        {{/figures}}</div>
        """)
    private static let fold = Template(
        """
        <details class="fold"{{#open}} open{{/open}}><summary>{{title}}</summary>
        {{{body}}}
        </details>
        """)
}
