/// The tables of a run directory that are being written; a row finds its table by its type.
///
/// Rank zero alone has them.
package final class OpenTables {
    private let directory: RunDirectory
    private let runID: String
    private var writers: [RunTable: CSVWriter] = [:]
    private var tablesOfRows: [ObjectIdentifier: RunTable] = [:]

    /// Makes or opens the tables that training and evaluations write.
    package init(_ directory: RunDirectory, runID: String) throws(FileFormatError) {
        self.directory = directory
        self.runID = runID
        for table in RunTable.allCases where table.isOfTraining { try open(table) }
    }

    /// Makes or opens one of the other tables.
    package func open(_ table: RunTable) throws(FileFormatError) {
        guard let rows = table.rowType else { preconditionFailure("\(table.fileName) has columns of its own") }
        writers[table] = try CSVWriter(path: directory.file(table.fileName), rows: rows, runID: runID)
        tablesOfRows[ObjectIdentifier(rows)] = table
    }

    /// Makes or opens the table of images for attacks with these ids.
    package func openPerSample(attacks: [String]) throws(FileFormatError) -> PerSampleTable {
        try PerSampleTable(path: directory.file(RunTable.perSample.fileName), attacks: attacks, runID: runID)
    }

    /// Appends a row to its table, which must be open.
    package func append<Row: CSVRow>(_ row: Row) throws(FileFormatError) {
        guard let table = tablesOfRows[ObjectIdentifier(Row.self)], let writer = writers[table] else {
            preconditionFailure("no table of \(Row.self) is open")
        }
        try writer.append(row)
    }

    /// Bytes of each table that training writes, flushed to the disk, by ``RunTable/rawValue``.
    package func offsets() throws(FileFormatError) -> [String: Int] {
        var offsets: [String: Int] = [:]
        for (table, writer) in writers where table.isOfTraining {
            try writer.synchronize()
            offsets[table.rawValue] = writer.byteOffset
        }
        return offsets
    }

    /// Cuts every table that training writes back to a checkpoint; where that knows none, to the header.
    package func cut(to offsets: [String: Int]?) throws(FileFormatError) {
        for (table, writer) in writers where table.isOfTraining {
            try writer.truncate(to: offsets?[table.rawValue] ?? writer.headerBytes)
        }
    }
}
