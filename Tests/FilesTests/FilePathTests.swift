import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("Paths in bytes")
struct FilePathTests {
    private static let names: [(bytes: [UInt8], shown: String)] = [
        (Array("plain name.txt".utf8), "plain name.txt"),
        // e acute in Latin-1, as a letter and an accent, and composed.
        ([0x63, 0xe9], "c\\xE9"),
        (Array("ce".utf8) + [0xcc, 0x81], "ce\\xCC\\x81"),
        ([0x63, 0xc3, 0xa9], "c\u{e9}"),
        // What looks like the first when it is shown.
        (Array("c\\xE9".utf8), "c\\x5CxE9"),
        (Array("line\nend\u{1b}[2J".utf8), "line\\x0Aend\\x1B[2J"),
        // The half of a surrogate pair, and a character in more bytes than it needs.
        ([0xed, 0xa0, 0x80], "\\xED\\xA0\\x80"), ([0xc0, 0xaf], "\\xC0\\xAF"),
    ]

    @Test("Names are shown so that no two look alike, not even to a comparison of texts")
    func shows() {
        for name in Self.names { #expect(FilePath(bytes: name.bytes).description == name.shown) }
        #expect(Set(Self.names.map { FilePath(bytes: $0.bytes).description }).count == Self.names.count)
        #expect(Set(Self.names.map { FilePath(bytes: $0.bytes) }).count == Self.names.count)
        for byte in UInt8(1)...255 where byte != UInt8(ascii: "/") {
            let shown = FilePath(bytes: [byte]).description
            #expect(shown.unicodeScalars.allSatisfy { (0x20..<0x7f).contains($0.value) })
            #expect(byte == UInt8(ascii: "\\") || byte > 0x7e || byte < 0x20 || shown.utf8.count == 1)
        }
    }

    @Test("A directory is listed as it is, sorted by bytes, and every name opens its own file")
    func lists() throws {
        let folder = try ScratchFolder()
        let path = FilePath(folder.path)
        for (number, name) in Self.names.enumerated() {
            let file = path.appending(FilePath(bytes: name.bytes)).withPointer { fopen($0, "wb") }
            fputs("\(number)", try #require(file as UnsafeMutablePointer<FILE>?))
            fclose(try #require(file as UnsafeMutablePointer<FILE>?))
        }
        let listed = try FileSystem.names(in: path)
        #expect(listed.map(\.bytes) == Self.names.map(\.bytes).sorted { $0.lexicographicallyPrecedes($1) })
        for name in listed {
            let text = try InputFile(path.appending(name)).prefix(8)
            let number = try #require(Int(String(decoding: text, as: UTF8.self)))
            #expect(Self.names[number].bytes == name.bytes)
        }
        #expect(try FileSystem.entries(of: folder.path) == listed.map(\.description))
        // What cannot be named in a text can be removed.
        try FileSystem.remove(folder.path)
        #expect(!FileSystem.exists(folder.path))
        do {
            _ = try FileSystem.names(in: path)
            Issue.record("a folder that is gone was listed")
        } catch {
            #expect(error.code == ENOENT && error.path == folder.path)
        }
    }
}
