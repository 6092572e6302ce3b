import Foundation

#if !_endian(little)
    #error("safetensors holds little-endian numbers, which are copied here as they are")
#endif

/// Files of named tensors in the safetensors format, as Python's `safetensors` reads and writes it.
///
/// A file is a little-endian 64-bit header length, a JSON header that gives every tensor its type, shape and place, and
/// the raw numbers (https://github.com/huggingface/safetensors). Nothing in it is ever executed. What is written is a
/// function of the tensors alone: the same tensors in any order give the same bytes.
package enum SafetensorsFile {
    /// The longest header that is read, 100 MB, the limit of the reference implementation.
    static let headerLimit = 100_000_000

    /// Writes the tensors to a new file that takes the place of `path` in one step.
    package static func write(_ tensors: [NamedTensor], to path: String) throws(FileFormatError) {
        let sorted = try arranged(tensors, path: path)
        let file = try asFormatError { () throws(FileSystemError) in try OutputFile(replacing: path) }
        try asFormatError { () throws(FileSystemError) in
            try write(arranged: sorted, to: file)
            try file.finish()
        }
    }

    /// Writes the tensors into an open file, which the caller finishes; `path` only names it in errors.
    package static func write(_ tensors: [NamedTensor], into file: OutputFile, path: String) throws(FileFormatError) {
        let sorted = try arranged(tensors, path: path)
        try asFormatError { () throws(FileSystemError) in try write(arranged: sorted, to: file) }
    }

    /// Reads every tensor of a file, by name; all floating-point types become `Float`, see `StoredElement`.
    ///
    /// Sizes, offsets and shapes are checked against the size of the file before anything is allocated for them.
    package static func read(_ path: String) throws(FileFormatError) -> [String: NamedTensor] {
        let file = try asFormatError { () throws(FileSystemError) in try InputFile(path) }
        let (header, start) = try readHeader(file)
        var tensors: [String: NamedTensor] = [:]
        for entry in header.entries {
            let values = try values(of: entry, from: file, at: start + entry.range.lowerBound)
            tensors[entry.name] = NamedTensor(name: entry.name, shape: entry.shape, values: values)
        }
        return tensors
    }

    /// The type and the shape of a tensor once it is read.
    package struct Kind: Equatable, Sendable {
        package let type: ElementType
        package let shape: [Int]

        /// Makes a value of its parts.
        package init(type: ElementType, shape: [Int]) {
            self.type = type
            self.shape = shape
        }
    }

    /// Reads what tensors a file has, by name, and none of their values.
    package static func kinds(_ path: String) throws(FileFormatError) -> [String: Kind] {
        let file = try asFormatError { () throws(FileSystemError) in try InputFile(path) }
        let entries = try readHeader(file).header.entries
        return Dictionary(
            uniqueKeysWithValues: entries.map { ($0.name, Kind(type: $0.type.elementType, shape: $0.shape)) })
    }

    /// The tensors in the order of the file: the wider type first, so that numbers lie aligned, then by name.
    private static func arranged(_ tensors: [NamedTensor], path: String) throws(FileFormatError) -> [NamedTensor] {
        let sorted = tensors.sorted {
            $0.values.type == $1.values.type
                ? $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
                : $0.values.type.bytes > $1.values.type.bytes
        }
        var names: Set<String> = ["__metadata__"]
        for tensor in sorted {
            let subject = "tensor \(tensor.name)"
            if !names.insert(tensor.name).inserted {
                throw .malformed(
                    path: path, subject: subject, expected: "a name of its own", found: "one that is taken")
            }
            if elementCount(of: tensor.shape) != tensor.values.count {
                throw .malformed(
                    path: path, subject: subject, expected: "as many values as the shape \(tensor.shape) holds",
                    found: "\(tensor.values.count)")
            }
        }
        return sorted
    }

    private static func write(arranged tensors: [NamedTensor], to file: OutputFile) throws(FileSystemError) {
        let header = SafetensorsHeader.json(of: tensors)
        let length = [UInt64(header.count)]
        try file.write(length.span.bytes)
        try file.write(header.span.bytes)
        for tensor in tensors {
            switch tensor.values {
            case .float(let numbers): try file.write(numbers.span.bytes)
            case .int64(let numbers): try file.write(numbers.span.bytes)
            }
        }
    }

    private static func readHeader(
        _ file: InputFile
    ) throws(FileFormatError) -> (header: SafetensorsHeader, start: Int) {
        let path = file.path
        guard file.size >= 8 else {
            throw .malformed(
                path: path, subject: "file size", expected: "at least the 8 bytes of the header length",
                found: "\(file.size) bytes")
        }
        let prefix = try asFormatError { () throws(FileSystemError) in try file.prefix(8) }
        let length = prefix.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let limit = min(headerLimit, file.size - 8)
        guard length <= UInt64(limit) else {
            throw .malformed(
                path: path, subject: "header length",
                expected: "at most \(limit) bytes (of a file of \(file.size), and never more than \(headerLimit))",
                found: "\(length)")
        }
        let start = 8 + Int(length)
        let bytes = try asFormatError { () throws(FileSystemError) in try file.prefix(start) }
        let header = try SafetensorsHeader(json: Array(bytes.dropFirst(8)), dataBytes: file.size - start, path: path)
        return (header, start)
    }

    private static func values(
        of entry: SafetensorsHeader.Entry, from file: InputFile, at offset: Int
    ) throws(FileFormatError) -> NamedTensor.Values {
        switch entry.type {
        case .float: return .float(try elements(Float(0), of: entry, from: file, at: offset))
        case .int64: return .int64(try elements(Int64(0), of: entry, from: file, at: offset))
        case .half: return .float(try elements(Float16(0), of: entry, from: file, at: offset).map(Float.init))
        case .bfloat16:
            let halves = try elements(UInt16(0), of: entry, from: file, at: offset)
            return .float(halves.map { Float(bitPattern: UInt32($0) << 16) })
        case .double:
            let numbers = try elements(Double(0), of: entry, from: file, at: offset)
            let rounded = numbers.map(Float.init)
            for (number, float) in zip(numbers, rounded) where number.isFinite && !float.isFinite {
                throw .malformed(
                    path: file.path, subject: "tensor \(entry.name)",
                    expected: "numbers up to \(Float.greatestFiniteMagnitude)", found: "\(number)")
            }
            return .float(rounded)
        }
    }

    /// The elements of a tensor as they are stored; `zero` is one of their type.
    private static func elements<Element: BitwiseCopyable>(
        _ zero: Element, of entry: SafetensorsHeader.Entry, from file: InputFile, at offset: Int
    ) throws(FileFormatError) -> [Element] {
        var elements = [Element](repeating: zero, count: entry.range.count / MemoryLayout<Element>.size)
        var span = elements.mutableSpan
        try read(span.mutableBytes, of: entry, from: file, at: offset)
        return elements
    }

    private static func read(
        _ bytes: consuming MutableRawSpan, of entry: SafetensorsHeader.Entry, from file: InputFile, at offset: Int
    ) throws(FileFormatError) {
        let count: Int
        do { count = try file.read(into: bytes, at: offset) } catch { throw .system(error) }
        if count != entry.range.count {
            throw .malformed(
                path: file.path, subject: "tensor \(entry.name)", expected: "\(entry.range.count) bytes",
                found: "\(count), the file became shorter while it was read")
        }
    }
}
