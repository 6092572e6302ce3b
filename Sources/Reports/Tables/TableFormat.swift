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

    /// A published table made again, as text, with a line feed at its end.
    package func text(_ table: PublishedTable) -> String {
        func cell(_ cell: PaperTable.Cell, _ published: Double?, sign: String) -> String {
            Self.cell(cell, sign: sign) + (published.map { String(format: " (%.2f)", 100 * $0) } ?? "")
        }
        func cells(_ row: PublishedTable.Row, sign: String) -> [String] {
            [
                cell(row.robust, row.entry.robustAccuracy, sign: sign),
                cell(row.standard, row.entry.standardAccuracy, sign: sign),
                (row.gflops.map { String(format: "%.3g", $0) } ?? "–")
                    + (row.entry.gflops.map { String(format: " (%g)", $0) } ?? ""),
            ]
        }
        switch self {
        case .markdown:
            return markdown(
                table.leading, PublishedTable.heads, table.rows.map { table.leading($0) + cells($0, sign: " ± ") })
        case .latex:
            return latex(
                table.leading, PublishedTable.heads,
                table.rows.map { row in
                    table.leading(row).map(Self.escaped)
                        + cells(row, sign: " \\pm ").map { "$\($0)$".replacingOccurrences(of: "–", with: "\\text{--}") }
                })
        case .csv:
            let values = ["robust", "standard", "gflops"].flatMap { name in
                [name] + (name == "gflops" ? [] : ["\(name) deviation"]) + ["\(name) published"]
            }
            let rows = table.rows.map { row in
                table.leading(row).map(CSVValue.text) + [
                    CSVValue(row.robust.mean), CSVValue(row.robust.deviation), CSVValue(row.entry.robustAccuracy),
                    CSVValue(row.standard.mean), CSVValue(row.standard.deviation), CSVValue(row.entry.standardAccuracy),
                    CSVValue(row.gflops), CSVValue(row.entry.gflops),
                ]
            }
            return CSVValue.line((table.leading + values).map(CSVValue.text)) + rows.map(CSVValue.line).joined()
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
        markdown(
            leading(table), table.heads,
            table.rows.map { row in leading(row, table) + row.cells.map { Self.cell($0, sign: " ± ") } })
    }

    private func markdown(_ leading: [String], _ heads: [String], _ rows: [[String]]) -> String {
        func line(_ cells: [String]) -> String {
            "| " + cells.map { $0.replacingOccurrences(of: "|", with: "\\|") }.joined(separator: " | ") + " |\n"
        }
        let rules = leading.map { _ in "---" } + heads.map { _ in "---:" }
        return line(leading + heads) + line(rules) + rows.map(line).joined()
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
        latex(
            leading(table), table.heads,
            table.rows.map { row in
                leading(row, table).map(Self.escaped)
                    + row.cells.map {
                        "$\(Self.cell($0, sign: " \\pm "))$".replacingOccurrences(of: "$–$", with: "--")
                    }
            })
    }

    /// - Parameter rows: Cells as LaTeX takes them.
    private func latex(_ leading: [String], _ heads: [String], _ rows: [[String]]) -> String {
        func line(_ cells: [String]) -> String { cells.joined(separator: " & ") + " \\\\\n" }
        let form = leading.map { _ in "l" }.joined() + heads.map { _ in "r" }.joined()
        return "\\begin{tabular}{\(form)}\n\\hline\n" + line((leading + heads).map(Self.escaped)) + "\\hline\n"
            + rows.map(line).joined() + "\\hline\n\\end{tabular}\n"
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
