import Files
import SwiftCSV

/// A row of text cells by column; columns stand in the order in which they were first set.
package struct TextRow: Equatable, Sendable {
    /// The names of the columns that have a cell.
    package private(set) var columns: [String] = []
    private var cells: [String: String] = [:]

    /// A row without cells.
    package init() {}

    /// The cell of a column; nil where the row has none, and set to nil an empty one.
    package subscript(column: String) -> String? {
        get { cells[column] }
        set {
            if cells.updateValue(newValue ?? "", forKey: column) == nil { columns.append(column) }
        }
    }

    /// The cell as a number; nil where nothing was measured.
    package func number(_ column: String) -> Double? { self[column].flatMap(Double.init) }

    /// The cell as a number that has a place on an axis; nil where it is `nan` or infinite, too.
    func finite(_ column: String) -> Double? { number(column).flatMap { $0.isFinite ? $0 : nil } }
}

/// A CSV file as text: what reports read, and what they write below each other.
package struct TextTable: Sendable {
    /// The rows below the header.
    package var rows: [TextRow] = []

    /// A table without rows.
    package init() {}

    /// Reads a table; one that is missing has no rows.
    package init(_ path: String) throws {
        guard FileSystem.exists(path) else { return }
        let table: CSV<Enumerated>
        do {
            table = try CSV<Enumerated>(string: FileSystem.text(of: path), delimiter: .comma, loadColumns: false)
        } catch let error as FileSystemError {
            throw ReportError(description: error.description)
        } catch {
            throw ReportError(description: "\(path): expected a table with a header, found \(error)")
        }
        rows = table.rows.map { fields in
            var row = TextRow()
            for (column, field) in zip(table.header, fields) { row[column] = field }
            return row
        }
    }

    /// Writes the table whole, with every column that any row has; a cell that a row lacks is empty.
    package func write(to path: String) throws {
        var columns: [String] = []
        var known: Set<String> = []
        for row in rows {
            for column in row.columns where known.insert(column).inserted { columns.append(column) }
        }
        let lines = [columns] + rows.map { row in columns.map { row[$0] ?? "" } }
        try FileSystem.replace(path, with: lines.map { CSVValue.line($0.map(CSVValue.text)) }.joined())
    }
}
