import Foundation

/// One cell of a table.
package enum CSVValue: Equatable, Sendable {
    /// Any text; it is quoted where RFC 4180 asks for it.
    case text(String)
    /// A whole number.
    case integer(Int)
    /// A number written `%.9g`, which brings every `Float` back exactly; `nan`, `inf` and `-inf` as such.
    case real(Double)
    /// `true` or `false`.
    case boolean(Bool)
    /// Not measured: nothing between the commas.
    case empty

    /// A text, or empty for nil.
    package init(_ text: String?) { self = text.map(CSVValue.text) ?? .empty }
    /// A whole number, or empty for nil.
    package init(_ integer: Int?) { self = integer.map(CSVValue.integer) ?? .empty }
    /// A real number, or empty for nil.
    package init(_ real: Double?) { self = real.map(CSVValue.real) ?? .empty }
    /// A truth value, or empty for nil.
    package init(_ boolean: Bool?) { self = boolean.map(CSVValue.boolean) ?? .empty }

    /// The cell as it stands in the file.
    package var field: String {
        switch self {
        case .text(let text):
            let special = text.utf8.contains { ",\"\r\n".utf8.contains($0) }
            return special ? "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : text
        case .integer(let number): return String(number)
        case .real(let number):
            if number.isNaN { return "nan" }
            if number.isInfinite { return number < 0 ? "-inf" : "inf" }
            return String(format: "%.9g", number)
        case .boolean(let truth): return truth ? "true" : "false"
        case .empty: return ""
        }
    }

    /// A line of the file, its line feed included.
    package static func line(_ values: [CSVValue]) -> String {
        values.map(\.field).joined(separator: ",") + "\n"
    }
}

/// A column of a table: its name and what a row puts there.
package struct CSVColumn<Row>: Sendable {
    /// The name in the header.
    package let name: String
    /// The cell of a row.
    package let value: @Sendable (Row) -> CSVValue

    /// A column that shows `value` of every row.
    package init(_ name: String, _ value: @escaping @Sendable (Row) -> CSVValue) {
        self.name = name
        self.value = value
    }
}

/// A row of a table whose columns are fixed.
package protocol CSVRow: Sendable {
    /// The number of the column set, raised when columns change.
    static var schemaVersion: Int { get }
    /// The columns in order, those after `schema_version,run_id`.
    static var columns: [CSVColumn<Self>] { get }
}

extension CSVRow {
    /// The first set of columns.
    package static var schemaVersion: Int { 1 }
    /// The cells in the order of the columns.
    package var values: [CSVValue] { Self.columns.map { $0.value(self) } }
}

/// Where and when of a row: what the rows of `metrics.csv`, `experts.csv` and `routing.csv` begin with.
package struct RowPosition: Equatable, Sendable {
    /// The epoch, counted from 0.
    package let epoch: Int
    /// The number of update steps made since the start of the run.
    package let step: Int
    /// `train`, `validation` or `test`.
    package let split: String
    /// `clean`, or the id of the attack that made the inputs.
    package let inputs: String

    /// A position in a run.
    package init(epoch: Int, step: Int, split: String, inputs: String) {
        self.epoch = epoch
        self.step = step
        self.split = split
        self.inputs = inputs
    }

    /// The four columns, found in a row by `position`.
    static func columns<Row>(_ position: @escaping @Sendable (Row) -> RowPosition) -> [CSVColumn<Row>] {
        [
            CSVColumn("epoch") { .integer(position($0).epoch) },
            CSVColumn("step") { .integer(position($0).step) },
            CSVColumn("split") { .text(position($0).split) },
            CSVColumn("inputs") { .text(position($0).inputs) },
        ]
    }
}
