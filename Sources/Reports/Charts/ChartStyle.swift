/// The colors and lines of charts, in light and dark, for pages and for pictures that stand alone.
enum ChartStyle {
    /// The number of colors that tell series apart.
    static let colors = 8

    /// The class of a series.
    static func series(_ number: Int) -> String { "s\(number % colors)" }

    /// Colors that people with any color vision tell apart (Okabe and Ito's, darker or lighter where contrast asks for it).
    private static let light = [
        "#0060a8", "#c8501a", "#00805c", "#a0489a", "#8a6500", "#3f7fbf", "#b3324d", "#5b5b66",
    ]
    private static let dark = [
        "#6cb6ff", "#ff9a5c", "#3fcf9f", "#e39be0", "#e6c04a", "#a5d0ff", "#ff8fa3", "#b9b9c6",
    ]

    private static func variables(_ colors: [String], _ others: String) -> String {
        colors.enumerated().map { "--s\($0):\($1);" }.joined() + others
    }

    private static let lightVariables: String = variables(
        light,
        "--ink:#1c1f26;--soft:#5a6070;--paper:#ffffff;--panel:#f5f6f9;--rule:#d5d9e2;--heat:#0060a8;--plus:#c8501a;"
            + "--minus:#0060a8;--alarm:#b3142b;--alarm-paper:#fdecee;--good:#00704f;")
    private static let darkVariables: String = variables(
        dark,
        "--ink:#e8eaf0;--soft:#a9b0c0;--paper:#14161b;--panel:#1e2129;--rule:#3a3f4c;--heat:#6cb6ff;--plus:#ff9a5c;"
            + "--minus:#6cb6ff;--alarm:#ff9aa8;--alarm-paper:#3a1a20;--good:#5fd6ad;")

    /// Variables for both, chosen by what the reader's system asks for; on paper always light.
    static let theme: String =
        ":root{color-scheme:light dark;\(lightVariables)}"
        + "@media screen and (prefers-color-scheme:dark){:root{\(darkVariables)}}"

    /// What the classes of parts of charts look like.
    static let sheet: String =
        """
        .chart{font:12px system-ui,sans-serif;display:block;width:100%;height:auto}
        .chart .paper{fill:var(--paper)}
        .chart text{fill:var(--ink)}.chart .soft{fill:var(--soft)}.chart .strong{font-weight:600}
        .chart .end{text-anchor:end}.chart .middle{text-anchor:middle}.chart .on{fill:var(--paper)}
        .chart .halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px}
        .chart .grid{stroke:var(--rule);stroke-width:.7}.chart .axis{stroke:var(--soft);stroke-width:1}
        .chart .reference{stroke:var(--ink);stroke-width:1;stroke-dasharray:2 3;fill:none}
        .chart .whisker{stroke:var(--ink);stroke-width:1.3}
        .chart .line{fill:none;stroke-width:1.8;stroke-linejoin:round}.chart .dashed{stroke-dasharray:6 3}
        .chart .dotted{stroke-dasharray:1.5 3}
        .chart .gap{fill:var(--soft);fill-opacity:.16;stroke:none}
        .chart .cell{stroke:var(--paper);stroke-width:.6}.chart .heat{fill:var(--heat)}.chart .plus{fill:var(--plus)}
        .chart .minus{fill:var(--minus)}.chart .empty{fill:var(--panel)}
        .chart .hatch{fill:none;stroke:var(--alarm);stroke-width:1}.chart .outline{fill:none;stroke:var(--rule)}
        """
        + (0..<colors).map { number in
            ".chart .line.s\(number){stroke:var(--s\(number))}.chart .area.s\(number),.chart .dot.s\(number)"
                + "{fill:var(--s\(number))}"
        }.joined()

    /// The sheet of a picture that stands alone.
    static let alone: String = theme + sheet
}
