import Foundation

/// A file of scalars that TensorBoard shows: records of the protocol buffer `Event`, each between checksums of its length and
/// of itself (TFRecord).
///
/// It begins anew with every process, from the rows that there are: what a kill left half-written, or what a resumed run
/// takes again, never stands in it.
package final class EventFile {
    /// The name; TensorBoard looks for files whose names hold `tfevents`.
    package static let name = "metrics.tfevents"
    /// What the first event of a file tells.
    static let version = "brain.Event:2"

    private let descriptor: Int32
    private let path: String

    /// Makes the file, in place of one that is there.
    package init(path: String) throws(FileFormatError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .system(FileSystemError("create", path, code: errno)) }
        try append(Self.event(step: 0, time: Date(), Self.field(3, Array(Self.version.utf8))))
    }

    deinit { close(descriptor) }

    /// Appends the numbers of a row of a table: every column that holds one beside epoch and step, as `split/inputs/column`.
    ///
    /// - Parameters:
    ///   - columns: The table's header.
    ///   - fields: The row's cells.
    package func append(columns: [String], fields: [String], time: Date = Date()) throws(FileFormatError) {
        guard columns.count == fields.count else { return }
        let row = Dictionary(zip(columns, fields)) { first, _ in first }
        guard let step = row["step"].flatMap({ Int($0) }), let split = row["split"], let inputs = row["inputs"] else {
            return
        }
        var summary: [UInt8] = []
        for (column, field) in zip(columns, fields) where !Self.places.contains(column) {
            guard let value = Float(field) else { continue }
            var scalar = Self.field(1, Array("\(split)/\(inputs)/\(column)".utf8))
            scalar += [2 << 3 | 5] + Self.bytes(value.bitPattern)
            summary += Self.field(1, scalar)
        }
        if !summary.isEmpty { try append(Self.event(step: step, time: time, Self.field(5, summary))) }
    }

    /// Columns that say what a row is of.
    private static let places: Set = ["schema_version", "run_id", "epoch", "step", "split", "inputs"]

    private func append(_ event: [UInt8]) throws(FileFormatError) {
        let length = Self.bytes(UInt64(event.count))
        let record = length + Self.bytes(Self.maskedChecksum(length)) + event + Self.bytes(Self.maskedChecksum(event))
        try asFormatError { () throws(FileSystemError) in
            try record.span.bytes.withUnsafeBytes { (buffer) throws(FileSystemError) in
                try writeWhole(buffer, to: descriptor, path: path)
            }
        }
    }

    /// An event: the time in seconds since 1970, the step, and what it holds.
    private static func event(step: Int, time: Date, _ content: [UInt8]) -> [UInt8] {
        [1 << 3 | 1] + bytes(time.timeIntervalSince1970.bitPattern) + [2 << 3] + varint(UInt64(max(0, step))) + content
    }

    /// A field of bytes, or of a message.
    private static func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
        [number << 3 | 2] + varint(UInt64(content.count)) + content
    }

    private static func varint(_ number: UInt64) -> [UInt8] {
        var rest = number
        var result: [UInt8] = []
        while rest >= 0x80 {
            result.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        return result + [UInt8(rest)]
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }

    /// CRC-32C, turned and shifted as TFRecord has it.
    static func maskedChecksum(_ content: [UInt8]) -> UInt32 {
        let checksum = checksum(content)
        return (checksum >> 15 | checksum << 17) &+ 0xa282_ead8
    }

    /// CRC-32C (RFC 3720, appendix B.4).
    static func checksum(_ content: [UInt8]) -> UInt32 {
        ~content.reduce(~0) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { rest, _ in rest & 1 == 1 ? rest >> 1 ^ 0x82f6_3b78 : rest >> 1 }
    }
}
