import Foundation

/// A table that grows by whole rows: UTF-8, line feeds, RFC 4180, a header first, every row handed over at once.
///
/// The first two columns are always `schema_version,run_id`. Nothing is kept back: when `append`
/// returns, the row is in the file for every reader. Rank zero alone owns writers.
package final class CSVWriter {
    /// The file.
    package let path: String
    /// The columns of the file, the first two included.
    package let columns: [String]
    /// Cells that a row has beyond those of the file, which was begun when there were fewer columns; they are left out.
    private let columnsLeftOut: Int
    /// Where the first row begins; cutting to here empties the table.
    package let headerBytes: Int
    /// The size of the file in bytes, which a checkpoint remembers and a resumed run hands to ``truncate(to:)``.
    package private(set) var byteOffset: Int
    private let descriptor: Int32
    private let leading: [CSVValue]
    private var endsInsideRow = false

    /// Makes the table, or opens the one that is there to append to it.
    ///
    /// One that was begun by a version of the program with fewer columns, the same ones first, goes on with these, and with
    /// that version's number: where its rows begin is what its checkpoints say.
    ///
    /// - Throws: ``FileFormatError`` if the file has another header; it is left as it is then.
    package init(path: String, columns: [String], runID: String, schemaVersion: Int = 1) throws(FileFormatError) {
        var columns = ["schema_version", "run_id"] + columns
        let wanted = columns.count
        var schemaVersion = schemaVersion
        var header = Array(CSVValue.line(columns.map(CSVValue.text)).utf8)
        let descriptor = uninterrupted { open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0o666) }
        guard descriptor >= 0 else { throw .system(FileSystemError("open", path, code: errno)) }
        let size: Int
        let start: [UInt8]
        var last: [UInt8] = [0]
        do {
            let file = try InputFile(path)
            size = file.size
            start = try file.prefix(header.count)
            var span = last.mutableSpan
            _ = try file.read(into: span.mutableBytes, at: max(0, size - 1))
        } catch {
            close(descriptor)
            throw .system(error)
        }
        if let older = Self.older(start, than: header) {
            header = Array(start[..<older.bytes])
            columns = Array(columns.prefix(older.columns))
            schemaVersion = older.version ?? schemaVersion
        }
        self.path = path
        self.columns = columns
        self.descriptor = descriptor
        columnsLeftOut = wanted - columns.count
        headerBytes = header.count
        byteOffset = 0
        leading = [.integer(schemaVersion), .text(runID)]

        if size < header.count, header.starts(with: start) {
            // A new file, or one whose first write was cut short before any row could follow.
            try truncateFile(to: 0)
            try write(header)
            try asFormatError { () throws(FileSystemError) in
                try FileSystem.synchronizeDirectory(FileSystem.parent(of: path))
            }
        } else if start.starts(with: header) {
            byteOffset = size
            endsInsideRow = last != [UInt8(ascii: "\n")]
        } else {
            let found = String(decoding: start, as: UTF8.self).prefix { $0 != "\n" }
            throw .malformed(
                path: path, subject: "header", expected: columns.joined(separator: ","), found: String(found))
        }
    }

    /// What a file is whose header is the beginning of a longer one: how long its header is, its columns, and the version
    /// that its first row names; nil of any other file.
    private static func older(_ start: [UInt8], than header: [UInt8]) -> (bytes: Int, columns: Int, version: Int?)? {
        let comma = UInt8(ascii: ",")
        guard let end = start.firstIndex(of: UInt8(ascii: "\n")), end > 0, header.count > end, header[end] == comma,
            header.starts(with: start[..<end]), !start[..<end].contains(UInt8(ascii: "\""))
        else { return nil }
        let columns = start[..<end].count { $0 == comma } + 1
        let version = String(decoding: start[(end + 1)...].prefix { $0 != comma }, as: UTF8.self)
        return columns > 2 ? (end + 1, columns, Int(version)) : nil
    }

    /// Makes or opens the table of one kind of row.
    package convenience init<Row: CSVRow>(path: String, rows: Row.Type, runID: String) throws(FileFormatError) {
        try self.init(
            path: path, columns: rows.columns.map(\.name), runID: runID, schemaVersion: rows.schemaVersion)
    }

    deinit { close(descriptor) }

    /// Whether a table is there with something below its header.
    package static func holdsRows(_ path: String) -> Bool {
        guard let file = try? InputFile(path), let start = try? file.prefix(1 << 16) else { return false }
        return start.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 < file.size } ?? false
    }

    /// Appends a row in one write; on an error (a full disk) no part of it stays.
    ///
    /// - Parameter values: the cells after `schema_version,run_id`, one for each further column.
    package func append(_ values: [CSVValue]) throws(FileFormatError) {
        let expected = columns.count + columnsLeftOut - leading.count
        precondition(
            values.count == expected, "\(path) has \(expected) columns after the first two, the row has \(values.count)"
        )
        if endsInsideRow {
            throw .malformed(
                path: path, subject: "end", expected: "a line feed after the last row",
                found: "a row that was cut short; resuming the run cuts it off")
        }
        try write(Array(CSVValue.line(leading + values.dropLast(columnsLeftOut)).utf8))
    }

    /// Appends a row of the kind that the table was made for.
    package func append<Row: CSVRow>(_ row: Row) throws(FileFormatError) {
        try append(row.values)
    }

    /// Cuts off every row past `offset`, a ``byteOffset`` of before, so that a resumed run writes none twice.
    ///
    /// - Throws: ``FileFormatError`` if the file is shorter, or no row ends there; it is left as it is then.
    package func truncate(to offset: Int) throws(FileFormatError) {
        guard headerBytes <= offset, offset <= byteOffset else {
            throw .malformed(
                path: path, subject: "size", expected: "\(offset) bytes or more, as the checkpoint says",
                found: "\(byteOffset) bytes, \(headerBytes) of them the header")
        }
        let last = try asFormatError { () throws(FileSystemError) in
            var last: [UInt8] = [0]
            var span = last.mutableSpan
            _ = try InputFile(path).read(into: span.mutableBytes, at: offset - 1)
            return last
        }
        guard last == [UInt8(ascii: "\n")] else {
            throw .malformed(
                path: path, subject: "byte \(offset - 1)", expected: "the line feed that ends a row",
                found: "'\(String(decoding: last, as: UTF8.self))'")
        }
        try truncateFile(to: offset)
        endsInsideRow = false
    }

    /// Makes the rows last through a power failure; called before the checkpoint that remembers ``byteOffset``.
    /// - Throws: ``FileFormatError`` where they cannot, or where the table was removed meanwhile.
    package func synchronize() throws(FileFormatError) {
        try asFormatError { () throws(FileSystemError) in try requireName(descriptor, path: path) }
        if uninterrupted({ fsync(descriptor) }) != 0 {
            throw .system(FileSystemError("synchronise", path, code: errno))
        }
    }

    private func write(_ bytes: [UInt8]) throws(FileFormatError) {
        do {
            try bytes.span.bytes.withUnsafeBytes { (buffer) throws(FileSystemError) in
                try writeWhole(buffer, to: descriptor, path: path)
            }
        } catch {
            _ = uninterrupted { ftruncate(descriptor, off_t(byteOffset)) }
            throw .system(error)
        }
        byteOffset += bytes.count
    }

    private func truncateFile(to offset: Int) throws(FileFormatError) {
        if uninterrupted({ ftruncate(descriptor, off_t(offset)) }) != 0 {
            throw .system(FileSystemError("cut", path, code: errno))
        }
        byteOffset = offset
    }
}
