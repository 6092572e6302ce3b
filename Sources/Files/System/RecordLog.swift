import Foundation

/// A file of records that grows by one line at a time: after a kill at any moment, all that was appended can be read back.
///
/// A line is the first digits of the record's SHA-256, a space, and the record, which has no line break. A last line that
/// is not whole is dropped when the file is opened again.
package final class RecordLog {
    private let path: String
    private let descriptor: Int32
    /// Hexadecimal digits of a record's digest.
    private static let digits = 16

    /// Makes a file, in place of one that may be there, with one record.
    package convenience init(creating path: String, first record: [UInt8]) throws(FileSystemError) {
        let file = try OutputFile(replacing: path)
        try file.write(Self.line(record).span.bytes)
        try file.finish()
        try self.init(opening: path)
    }

    /// Opens a file to append more, cut back to so many bytes, those of whole records.
    package convenience init(continuing path: String, at bytes: Int) throws(FileSystemError) {
        try self.init(opening: path)
        guard uninterrupted({ ftruncate(descriptor, off_t(bytes)) }) == 0 else {
            throw FileSystemError("cut back", path, code: errno)
        }
    }

    private init(opening path: String) throws(FileSystemError) {
        self.path = path
        descriptor = uninterrupted { open(path, O_WRONLY | O_APPEND | O_CLOEXEC) }
        guard descriptor >= 0 else { throw FileSystemError("open", path, code: errno) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Appends a record, and returns when it is on the disk.
    package func append(_ record: [UInt8]) throws(FileSystemError) {
        try requireName(descriptor, path: path)
        let line = Self.line(record)
        try line.span.bytes.withUnsafeBytes { (buffer) throws(FileSystemError) in
            try writeWhole(buffer, to: descriptor, path: path)
        }
        guard uninterrupted({ fdatasync(descriptor) }) == 0 else {
            throw FileSystemError("synchronise", path, code: errno, bytesWanted: line.count)
        }
    }

    /// The records of a file up to the first that is not whole, and the bytes that they take.
    package static func read(_ path: String) throws(FileSystemError) -> (records: [[UInt8]], bytes: Int) {
        let file = try InputFile(path)
        let bytes = try file.prefix(file.size)
        var records: [[UInt8]] = []
        var start = 0
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            let record = Array(bytes[start..<end].dropFirst(digits + 1))
            guard Array(bytes[start...end]) == line(record) else { break }
            records.append(record)
            start = end + 1
        }
        return (records, start)
    }

    private static func line(_ record: [UInt8]) -> [UInt8] {
        precondition(!record.contains(UInt8(ascii: "\n")), "a record of \(record.count) bytes has a line break")
        return Array("\(ContentDigest(of: record).hexadecimal.prefix(digits)) ".utf8) + record + [UInt8(ascii: "\n")]
    }
}
