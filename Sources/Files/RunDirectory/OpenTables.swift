/// The tables of a run directory that are being written; a row finds its table by its type.
///
/// Rank zero alone has them. A table is made when its first row comes, or when it is opened before.
package final class OpenTables {
    private let directory: RunDirectory
    private let runID: String
    private var writers: [RunTable: CSVWriter] = [:]

    private static let tablesOfRows = Dictionary(
        RunTable.allCases.compactMap { table in table.rowType.map { (ObjectIdentifier($0), table) } }
    ) { first, _ in first }

    /// Opens nothing yet.
    package init(_ directory: RunDirectory, runID: String) {
        self.directory = directory
        self.runID = runID
    }

    /// Makes or opens a table.
    @discardableResult
    package func open(_ table: RunTable) throws(FileFormatError) -> CSVWriter {
        if let writer = writers[table] { return writer }
        guard let rows = table.rowType else { preconditionFailure("\(table.fileName) has columns of its own") }
        let writer = try CSVWriter(path: directory.file(table.fileName), rows: rows, runID: runID)
        writers[table] = writer
        return writer
    }

    /// Makes or opens the table of images for attacks with these ids.
    package func openPerSample(attacks: [String]) throws(FileFormatError) -> PerSampleTable {
        try PerSampleTable(path: directory.file(RunTable.perSample.fileName), attacks: attacks, runID: runID)
    }

    /// Appends a row to its table.
    package func append<Row: CSVRow>(_ row: Row) throws(FileFormatError) {
        guard let table = Self.tablesOfRows[ObjectIdentifier(Row.self)] else {
            preconditionFailure("no table has rows of \(Row.self)")
        }
        try open(table).append(row)
    }

    /// Bytes of each table that training writes, flushed to the disk, by the raw value of ``RunTable``.
    package func offsets() throws(FileFormatError) -> [String: Int] {
        var offsets: [String: Int] = [:]
        for (table, writer) in writers where table.isOfTraining {
            try writer.synchronize()
            offsets[table.rawValue] = writer.byteOffset
        }
        return offsets
    }

    /// Opens every table that training writes, cut back to a checkpoint; where that knows none, to the header.
    package func cut(to offsets: [String: Int]?) throws(FileFormatError) {
        for table in RunTable.allCases where table.isOfTraining {
            let writer = try open(table)
            try writer.truncate(to: offsets?[table.rawValue] ?? writer.headerBytes)
        }
    }
}
