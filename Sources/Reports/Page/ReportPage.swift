import Files
import Foundation

/// The report on one run or several: one HTML file that needs nothing beside it.
package struct ReportPage {
    private struct Chapter {
        let title: String
        /// Tells its parts from those of other chapters.
        let prefix: String
        /// Where figures of it go that are written alone; nil where it is of several runs.
        let directory: String?
        let sections: [ReportSection]
    }

    private let title: String
    private let made: Date
    private let chapters: [Chapter]

    /// Makes a report.
    /// - Parameters:
    ///   - directory: Where the page will lie, which links start from.
    ///   - published: What papers have published, to be set beside several runs.
    ///   - made: The time it says it was made at.
    package init(
        _ runs: [ReportedRun], in directory: String, published: PublishedValues? = nil, made: Date = Date()
    ) {
        self.made = made
        title = runs.count == 1 ? runs[0].label : "\(runs.count) runs"
        var chapters: [Chapter] = []
        if runs.count > 1, let section = Comparison(runs, published).section {
            chapters.append(Chapter(title: "All runs", prefix: "all-", directory: nil, sections: [section]))
        }
        for (number, run) in runs.enumerated() {
            let prefix = runs.count == 1 ? "" : "run\(number + 1)-"
            chapters.append(
                Chapter(
                    title: run.label, prefix: prefix, directory: run.path, sections: Self.sections(run, directory)))
        }
        self.chapters = chapters
    }

    private static func sections(_ run: ReportedRun, _ directory: String) -> [ReportSection] {
        [
            VerdictSection(run).section,
            LearningCurves(run)?.section,
            EvaluationLadder(run)?.section,
            ExpertUse(run).section,
            AttackDissection(run).section,
            ImageExamples(run)?.section,
            ClassResults(run).section,
            TimeUse(run).section,
            Provenance(run, from: directory).section,
        ].compactMap { $0 }
    }

    /// The page.
    package var html: String {
        let isAlone = chapters.count == 1
        let contents = chapters.map { chapter -> [String: Any] in
            [
                "title": chapter.title, "named": !isAlone, "identifier": chapter.prefix + "run",
                "links": chapter.sections.map { ["identifier": chapter.prefix + $0.name, "title": $0.title] },
                "body": Markup.joined(
                    chapter.sections.map { $0.markup(prefix: chapter.prefix, level: isAlone ? 2 : 3) }),
            ]
        }
        return Self.template([
            "title": title, "style": Markup(text: PageStyle.sheet), "script": Markup(text: PageScript.text),
            "made": made.ISO8601Format(), "chapters": contents,
        ]).text
    }

    /// A figure alone.
    package struct LoneFigure {
        /// The name, the same in all runs.
        package let name: String
        /// The run's directory; nil where it is of several.
        package let directory: String?
        /// The picture as a file.
        package let svg: String
    }

    /// The figures of all runs, one after the other.
    package var figures: [LoneFigure] {
        chapters.flatMap { chapter in
            chapter.sections.flatMap(\.figures).map {
                LoneFigure(name: $0.name, directory: chapter.directory, svg: $0.svg)
            }
        }
    }

    private static let template = Template(
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="generator" content="RobustMoE">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
        style-src 'unsafe-inline'; script-src 'unsafe-inline'">
        <title>{{title}} – RobustMoE report</title>
        <style>{{{style}}}</style>
        </head>
        <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header>
        <h1>{{title}}</h1>
        <nav aria-label="Contents"><ul>{{#chapters}}{{#named}}<li><a href="#{{identifier}}">{{title}}</a></li>{{/named}}\
        {{^named}}{{#links}}<li><a href="#{{identifier}}">{{title}}</a></li>{{/links}}{{/named}}{{/chapters}}</ul></nav>
        </header>
        <main id="main">
        {{#chapters}}{{#named}}<h2 class="chapter" id="{{identifier}}">{{title}}</h2>{{/named}}
        {{{body}}}
        {{/chapters}}
        </main>
        <footer>Made by RobustMoE at {{made}}. Intervals are Wilson's, 95%. Every figure has its values as a table below it, \
        and every table's source is linked under Provenance.</footer>
        <script>{{{script}}}</script>
        </body>
        </html>

        """)
}
