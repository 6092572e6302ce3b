/// A strict reader of the little JSON that a safetensors header may hold: objects, strings and lists of whole numbers.
///
/// Foundation's parser keeps one of two equal keys without a word, and a header must not hold two. Depth is the
/// caller's, so no input can make it recurse.
struct JSONScanner {
    private let bytes: [UInt8]
    private let path: String
    private var position = 0

    init(_ bytes: [UInt8], path: String) {
        self.bytes = bytes
        self.path = path
    }

    /// Reads an object, calling `member` with each key; `member` reads the value.
    mutating func object(
        _ member: (String, inout JSONScanner) throws(FileFormatError) -> Void
    ) throws(FileFormatError) {
        try expect("{")
        if take("}") { return }
        repeat {
            let key = try string()
            try expect(":")
            try member(key, &self)
        } while take(",")
        try expect("}")
    }

    /// Reads a list of whole numbers.
    mutating func integers() throws(FileFormatError) -> [Int] {
        try expect("[")
        if take("]") { return [] }
        var numbers: [Int] = []
        repeat { numbers.append(try integer()) } while take(",")
        try expect("]")
        return numbers
    }

    /// Reads a string, its escapes resolved.
    mutating func string() throws(FileFormatError) -> String {
        try expect("\"")
        let start = position
        var text: [UInt8] = []
        while let byte = next() {
            switch byte {
            case UInt8(ascii: "\""):
                guard let result = String(validating: text, as: UTF8.self) else {
                    throw refusal("a string in UTF-8", at: start)
                }
                return result
            case UInt8(ascii: "\\"): text += Array(try escape().utf8)
            case 0..<0x20: throw refusal("no control character in a string", at: position - 1)
            default: text.append(byte)
            }
        }
        throw refusal("a closing quotation mark", at: position)
    }

    /// Checks that only white space follows.
    mutating func end() throws(FileFormatError) {
        skipSpace()
        if position < bytes.count { throw refusal("nothing after the closing brace", at: position) }
    }

    private mutating func integer() throws(FileFormatError) -> Int {
        skipSpace()
        let start = position
        while position < bytes.count, "+-.0123456789Ee".utf8.contains(bytes[position]) { position += 1 }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let number = Int(text), String(number) == text else {
            position = start
            throw refusal("a whole number of 64 bits", at: start)
        }
        return number
    }

    private mutating func escape() throws(FileFormatError) -> String {
        switch next() {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            var units = [try codeUnit()]
            if UTF16.isLeadSurrogate(units[0]), next() == UInt8(ascii: "\\"), next() == UInt8(ascii: "u") {
                units.append(try codeUnit())
            }
            if let text = String(validating: units, as: UTF16.self) { return text }
        default: break
        }
        throw refusal("an escape of JSON", at: max(0, min(position, bytes.count) - 1))
    }

    private mutating func codeUnit() throws(FileFormatError) -> UInt16 {
        let digits = bytes[position..<min(position + 4, bytes.count)]
        guard digits.count == 4, !digits.contains(UInt8(ascii: "+")), !digits.contains(UInt8(ascii: "-")),
            let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw refusal("four hexadecimal digits", at: position) }
        position += 4
        return unit
    }

    private mutating func next() -> UInt8? {
        guard position < bytes.count else { return nil }
        position += 1
        return bytes[position - 1]
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(FileFormatError) {
        if !take(character) { throw refusal("'\(character)'", at: position) }
    }

    private mutating func skipSpace() {
        while position < bytes.count, " \t\r\n".utf8.contains(bytes[position]) { position += 1 }
    }

    private func refusal(_ expected: String, at offset: Int) -> FileFormatError {
        let rest = offset < bytes.count ? bytes[offset..<min(offset + 16, bytes.count)] : []
        let found = rest.isEmpty ? "the end of the header" : "'\(String(decoding: rest, as: UTF8.self))'"
        return .malformed(path: path, subject: "header, byte \(offset)", expected: expected, found: found)
    }
}
