/// Reads whole tables for reports and tests.
public enum CSVReader {
    /// The rows below the header, each by column name.
    ///
    /// Reads RFC 4180 in UTF-8, with line feeds alone or after carriage returns.
    public static func rows(_ path: String) throws(FileFormatError) -> [[String: String]] {
        let records = try records(path)
        guard let header = records.first else { return [] }
        if Set(header).count != header.count {
            throw .malformed(
                path: path, subject: "header", expected: "every column name once",
                found: header.joined(separator: ","))
        }
        var rows: [[String: String]] = []
        for (index, record) in records.enumerated().dropFirst() {
            if record.count != header.count {
                throw .malformed(
                    path: path, subject: "record \(index + 1)", expected: "\(header.count) fields",
                    found: "\(record.count)")
            }
            rows.append(Dictionary(uniqueKeysWithValues: zip(header, record)))
        }
        return rows
    }

    /// The header and the rows as lists of fields.
    public static func records(_ path: String) throws(FileFormatError) -> [[String]] {
        let bytes = try asFormatError { () throws(FileSystemError) in
            let file = try InputFile(path)
            return try file.prefix(file.size)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .malformed(path: path, subject: "text", expected: "UTF-8", found: "other bytes")
        }
        var records: [[String]] = []
        var record: [String] = []
        var rest = Array(text.unicodeScalars)[...]
        while !rest.isEmpty {
            guard let field = takeField(&rest) else {
                throw .malformed(
                    path: path, subject: "record \(records.count + 1)", expected: "fields quoted as RFC 4180 says",
                    found: "a quotation mark out of place")
            }
            record.append(field)
            if rest.first == "," {
                rest.removeFirst()
                if !rest.isEmpty { continue }
                record.append("")
            } else {
                if rest.first == "\r" { rest.removeFirst() }
                if rest.first == "\n" { rest.removeFirst() }
            }
            records.append(record)
            record = []
        }
        return records
    }

    /// Takes a field and leaves what ends it: a comma, a line's end or nothing; nil where quotes are wrong.
    private static func takeField(_ rest: inout ArraySlice<Unicode.Scalar>) -> String? {
        var field = String.UnicodeScalarView()
        guard rest.first == "\"" else {
            while let scalar = rest.first, scalar != ",", !isLineEnd(rest) {
                if scalar == "\"" { return nil }
                field.append(rest.removeFirst())
            }
            return String(field)
        }
        rest.removeFirst()
        while let scalar = rest.popFirst() {
            if scalar != "\"" {
                field.append(scalar)
            } else if rest.first == "\"" {
                field.append(rest.removeFirst())
            } else {
                return rest.first == "," || isLineEnd(rest) ? String(field) : nil
            }
        }
        return nil
    }

    private static func isLineEnd(_ rest: ArraySlice<Unicode.Scalar>) -> Bool {
        guard let first = rest.first else { return true }
        return first == "\n" || (first == "\r" && (rest.count == 1 || rest.dropFirst().first == "\n"))
    }
}
