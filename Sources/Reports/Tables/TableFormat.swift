import Files
import Foundation

/// How `report --table` writes a ``PaperTable``.
package enum TableFormat: String, CaseIterable, Sendable {
    case markdown, csv, latex

    /// The table as text, with a line feed at its end.
    package func text(_ table: PaperTable) -> String {
        switch self {
        case .markdown: markdown(table)
        case .csv: csv(table)
        case .latex: latex(table)
        }
    }

    private func leading(_ table: PaperTable) -> [String] {
        ["network", "method"] + (table.hasSettings ? ["settings"] : []) + ["seeds"]
    }

    private func leading(_ row: PaperTable.Row, _ table: PaperTable) -> [String] {
        [row.network, row.method] + (table.hasSettings ? [row.setting] : []) + ["\(row.runs)"]
    }

    /// The mean in per cent with its deviation.
    static func cell(_ cell: PaperTable.Cell, sign: String) -> String {
        guard let mean = cell.mean else { return "–" }
        let text = String(format: "%.2f", 100 * mean)
        return cell.deviation.map { text + sign + String(format: "%.2f", 100 * $0) } ?? text
    }

    private func markdown(_ table: PaperTable) -> String {
        func line(_ cells: [String]) -> String {
            "| " + cells.map { $0.replacingOccurrences(of: "|", with: "\\|") }.joined(separator: " | ") + " |\n"
        }
        let heads = leading(table) + table.heads
        let rules = leading(table).map { _ in "---" } + table.heads.map { _ in "---:" }
        return line(heads) + line(rules)
            + table.rows.map { row in
                line(leading(row, table) + row.cells.map { Self.cell($0, sign: " ± ") })
            }.joined()
    }

    /// Mean and deviation in columns of their own, as shares in [0, 1], with the number of runs that have them.
    private func csv(_ table: PaperTable) -> String {
        let heads = leading(table) + table.heads.flatMap { ["\($0)", "\($0) deviation", "\($0) runs"] }
        let rows = table.rows.map { row in
            leading(row, table).map(CSVValue.text)
                + row.cells.flatMap { [CSVValue($0.mean), CSVValue($0.deviation), .integer($0.values.count)] }
        }
        return CSVValue.line(heads.map(CSVValue.text)) + rows.map(CSVValue.line).joined()
    }

    private func latex(_ table: PaperTable) -> String {
        func line(_ cells: [String]) -> String { cells.joined(separator: " & ") + " \\\\\n" }
        let form = leading(table).map { _ in "l" }.joined() + table.heads.map { _ in "r" }.joined()
        let heads = (leading(table) + table.heads).map(Self.escaped)
        return "\\begin{tabular}{\(form)}\n\\hline\n" + line(heads) + "\\hline\n"
            + table.rows.map { row in
                line(
                    leading(row, table).map(Self.escaped)
                        + row.cells.map {
                            "$\(Self.cell($0, sign: " \\pm "))$".replacingOccurrences(of: "$–$", with: "--")
                        })
            }.joined() + "\\hline\n\\end{tabular}\n"
    }

    private static func escaped(_ text: String) -> String {
        text.map { letter -> String in
            switch letter {
            case "&", "%", "$", "#", "_", "{", "}": "\\\(letter)"
            case "~": "\\textasciitilde{}"
            case "^": "\\textasciicircum{}"
            case "\\": "\\textbackslash{}"
            case "∞": "$\\infty$"
            default: String(letter)
            }
        }.joined()
    }
}
