import Foundation

/// A path, or a name in a folder, as the file system has it: bytes, which need not be UTF-8.
///
/// Two are the same where their bytes are. That is not so of texts: `é` in one character equals `é` in two, and bytes that
/// are no UTF-8 cannot be kept at all, so a name that was listed as a text may open another file, or none.
package struct FilePath: Hashable, Comparable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The bytes, without the zero that ends them for the system.
    package let bytes: [UInt8]

    /// The path of a text.
    package init(_ text: String) { bytes = Array(text.utf8) }

    /// The path of bytes.
    package init(bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    package init(stringLiteral text: String) { self.init(text) }

    /// The path of what has this name, or path, in the folder of this path; in the working directory where that is empty.
    package func appending(_ name: FilePath) -> FilePath {
        let slash = UInt8(ascii: "/")
        return FilePath(bytes: bytes.isEmpty || bytes.last == slash ? bytes + name.bytes : bytes + [slash] + name.bytes)
    }

    /// The path in words that can stand in a table, on a screen and in a file, and that no other path has.
    ///
    /// UTF-8 in composed characters (Unicode's normal form C), without control characters and backslashes, stands as it
    /// is. Of anything else every byte but those of printable ASCII is written in the form `\xE9`, the backslash too.
    package var description: String {
        if let text = String(validating: bytes, as: UTF8.self), isPlain(text) { return text }
        return bytes.map { byte in
            let isPrintable = (0x20..<0x7f).contains(byte) && byte != UInt8(ascii: "\\")
            return isPrintable ? String(UnicodeScalar(byte)) : "\\x" + [byte].hexadecimal.uppercased()
        }.joined()
    }

    private func isPlain(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0 != "\\" && $0.properties.generalCategory != .control }
            && text.precomposedStringWithCanonicalMapping.utf8.elementsEqual(bytes)
    }

    package static func < (first: FilePath, second: FilePath) -> Bool {
        first.bytes.lexicographicallyPrecedes(second.bytes)
    }

    /// Calls `body` with the path as the system wants it.
    package func withPointer<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (bytes + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { characters in
                guard let start = characters.baseAddress else { preconditionFailure("a path without its end") }
                return body(start)
            }
        }
    }
}
