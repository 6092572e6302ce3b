import Foundation

/// The checked header of a safetensors file: tensors that fill the data from its first byte to its last, once.
struct SafetensorsHeader {
    /// One tensor and the bytes of the data that hold it.
    struct Entry {
        let name: String
        let type: StoredElement
        let shape: [Int]
        let range: Range<Int>
    }

    /// Bytes of a tensor's name.
    private static let longestName = 1024

    /// The tensors in the order of their data.
    let entries: [Entry]

    /// Parses a header and checks it against the size of the data that follows it.
    init(json: [UInt8], dataBytes: Int, path: String) throws(FileFormatError) {
        var scanner = JSONScanner(json, path: path)
        var names: Set<String> = []
        var entries: [Entry] = []
        try scanner.object { (name, scanner) throws(FileFormatError) in
            guard name.utf8.count <= Self.longestName else {
                throw .malformed(
                    path: path, subject: "tensor \(name.prefix(80))…",
                    expected: "a name of at most \(Self.longestName) bytes", found: "\(name.utf8.count)")
            }
            if !names.insert(name).inserted {
                throw .malformed(
                    path: path, subject: "tensor \(name)", expected: "every name once", found: "it a second time")
            }
            if name == "__metadata__" {
                try scanner.object { (_, scanner) throws(FileFormatError) in _ = try scanner.string() }
            } else {
                entries.append(try Self.entry(name, &scanner, dataBytes: dataBytes, path: path))
            }
        }
        try scanner.end()
        entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        var end = 0
        for entry in entries {
            if entry.range.lowerBound != end {
                throw .malformed(
                    path: path, subject: "tensor \(entry.name)", expected: "its data to begin at byte \(end)",
                    found: "byte \(entry.range.lowerBound), \(entry.range.lowerBound < end ? "an overlap" : "a hole")")
            }
            end = entry.range.upperBound
        }
        if end != dataBytes {
            throw .malformed(
                path: path, subject: "data", expected: "\(end) bytes, the end of the last tensor",
                found: "\(dataBytes)")
        }
        self.entries = entries
    }

    /// The header that describes the tensors laid out in the order given, padded with spaces to 8 bytes.
    static func json(of tensors: [NamedTensor]) -> [UInt8] {
        var parts = [#""__metadata__":{"format":"pt"}"#]
        var offset = 0
        for tensor in tensors {
            let type = tensor.values.type
            let end = offset + tensor.values.count * type.bytes
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            parts.append(
                "\(quoted(tensor.name)):{\"dtype\":\"\(type.rawValue)\","
                    + "\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var bytes = Array("{\(parts.joined(separator: ","))}".utf8)
        while bytes.count % 8 != 0 { bytes.append(UInt8(ascii: " ")) }
        return bytes
    }

    private static func entry(
        _ name: String, _ scanner: inout JSONScanner, dataBytes: Int, path: String
    ) throws(FileFormatError) -> Entry {
        func refusal(_ expected: String, _ found: String) -> FileFormatError {
            .malformed(path: path, subject: "tensor \(name)", expected: expected, found: found)
        }
        var type: String?
        var shape: [Int]?
        var offsets: [Int]?
        try scanner.object { (key, scanner) throws(FileFormatError) in
            switch key {
            case "dtype" where type == nil: type = try scanner.string()
            case "shape" where shape == nil: shape = try scanner.integers()
            case "data_offsets" where offsets == nil: offsets = try scanner.integers()
            default: throw refusal("dtype, shape and data_offsets once each", "\(key)")
            }
        }
        guard let type, let shape, let offsets else {
            let missing = type == nil ? "dtype" : shape == nil ? "shape" : "data_offsets"
            throw refusal("dtype, shape and data_offsets", "no \(missing)")
        }
        guard let element = StoredElement(rawValue: type) else {
            throw refusal("dtype \(StoredElement.allCases.map(\.rawValue).joined(separator: ", "))", type)
        }
        guard shape.allSatisfy({ $0 >= 0 }) else { throw refusal("extents of at least 0", "\(shape)") }
        guard offsets.count == 2, 0 <= offsets[0], offsets[0] <= offsets[1], offsets[1] <= dataBytes else {
            throw refusal("data_offsets [begin, end] in order within the \(dataBytes) bytes of data", "\(offsets)")
        }
        guard let count = elementCount(of: shape), count <= Int.max / element.bytes else {
            throw refusal("a shape whose size is a 64-bit number", "\(shape)")
        }
        guard count * element.bytes == offsets[1] - offsets[0] else {
            throw refusal(
                "\(count * element.bytes) bytes for \(type) of shape \(shape)", "\(offsets[1] - offsets[0])")
        }
        return Entry(name: name, type: element, shape: shape, range: offsets[0]..<offsets[1])
    }

    /// A JSON string with what must be escaped escaped.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..."\u{1F}": result += String(format: "\\u%04x", scalar.value)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
