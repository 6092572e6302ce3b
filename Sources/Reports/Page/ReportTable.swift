/// A table of a report, which sorts by the column whose head is pressed.
struct ReportTable {
    /// A column: its head, and whether it holds numbers.
    struct Column {
        let title: String
        let isNumeric: Bool

        init(_ title: String, isNumeric: Bool = false) {
            self.title = title
            self.isNumeric = isNumeric
        }

        /// A column of numbers.
        static func number(_ title: String) -> Column { Column(title, isNumeric: true) }
    }

    /// A cell: what is shown, and what it is sorted by where that is another number.
    struct Cell {
        let text: String
        let order: Double?
        /// Where a press leads, relative to the page; nil for nowhere.
        let link: String?

        init(_ text: String, order: Double? = nil, link: String? = nil) {
            self.text = text
            self.order = order
            self.link = link
        }

        /// A share as per cent.
        static func percent(_ share: Double?) -> Cell { Cell(NumberText.percent(share), order: share) }
        /// A number in few digits.
        static func number(_ value: Double?) -> Cell { Cell(NumberText.short(value), order: value) }
    }

    let caption: String
    let columns: [Column]
    private(set) var rows: [[Cell]]
    /// Whether the first cell of a row names it.
    var namesRows = true

    init(_ caption: String, _ columns: [Column], _ rows: [[Cell]] = []) {
        self.caption = caption
        self.columns = columns
        self.rows = rows
    }

    /// Adds a row with a cell for each column.
    mutating func append(_ row: [Cell]) {
        precondition(row.count == columns.count, "\(caption): \(row.count) cells in \(columns.count) columns")
        rows.append(row)
    }

    /// The table as HTML.
    var markup: Markup {
        let heads = columns.map { ["title": $0.title, "numeric": $0.isNumeric] as [String: Any] }
        let lines = rows.map { row -> [String: Any] in
            let cells = row.enumerated().map { index, cell -> [String: Any] in
                var values: [String: Any] = [
                    "text": cell.text, "head": namesRows && index == 0, "numeric": columns[index].isNumeric,
                ]
                values["order"] = cell.order.map { CSVOrder.text($0) }
                values["link"] = cell.link
                return values
            }
            return ["cells": cells]
        }
        return Self.template(["caption": caption, "heads": heads, "lines": lines])
    }

    private enum CSVOrder {
        static func text(_ value: Double) -> String { value.isFinite ? "\(value)" : "" }
    }

    private static let template = Template(
        """
        <div class="scroll" tabindex="0" role="region" aria-label="{{caption}}"><table class="sortable">
        <caption>{{caption}}</caption>
        <thead><tr>{{#heads}}<th scope="col"{{#numeric}} class="number"{{/numeric}}><button type="button">{{title}}\
        </button></th>{{/heads}}</tr></thead>
        <tbody>{{#lines}}<tr>{{#cells}}{{#head}}<th scope="row"{{/head}}{{^head}}<td{{#numeric}} class="number"{{/numeric}}\
        {{/head}}{{#.order}} data-order="{{.}}"{{/.order}}>{{#.link}}<a href="{{.}}">{{text}}</a>{{/.link}}\
        {{^.link}}{{text}}{{/.link}}{{#head}}</th>{{/head}}{{^head}}</td>{{/head}}{{/cells}}</tr>
        {{/lines}}</tbody>
        </table></div>
        """)
}
