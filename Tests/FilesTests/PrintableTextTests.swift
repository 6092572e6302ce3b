import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("Texts for the terminal")
struct PrintableTextTests {
    @Test("control characters and changes of the writing direction are escaped, line feeds and all else stay")
    func escapes() {
        #expect("\u{1b}[2Ja\u{7}\u{7f}\u{9b}31m".printable == #"\u{1b}[2Ja\u{7}\u{7f}\u{9b}31m"#)
        #expect("a\u{0}b\tc\rd\r\ne\nf".printable == "a\\u{0}b\\u{9}c\\u{d}d\\u{d}\ne\nf")
        #expect("a\u{202E}b\u{2066}c\u{2069}d\u{2028}".printable == #"a\u{202e}b\u{2066}c\u{2069}d\u{2028}"#)
        #expect("a\nb".printableLine == #"a\u{a}b"#)
        for text in ["", "é 漢字 🙂 e\u{301}", #"C:\u{1b}"#, "±\u{a0}\u{200d}"] {
            #expect(text.printable == text && text.printableLine == text)
        }
    }

    @Test("every control character of Unicode's first block is escaped")
    func all() throws {
        for value in Array(UInt32(0)...0x1F) + Array(0x7F...0x9F) + Array(0x202A...0x202E) + Array(0x2066...0x2069) {
            let scalar = try #require(Unicode.Scalar(value))
            #expect(String(scalar).printableLine == "\\u{\(String(value, radix: 16))}")
        }
    }

    @Test("errors and the log show what they quote escaped, on one line")
    func errors() throws {
        let foreign = "x\u{1b}[2K\r\nerror"
        let malformed = FileFormatError.malformed(path: foreign, subject: foreign, expected: "a", found: foreign)
        let damaged = CheckpointError.damaged(path: foreign, file: foreign, expected: "a", found: foreign)
        for text in ["\(malformed)", "\(damaged)", "\(FileSystemError("open", foreign, code: ENOENT))"] {
            #expect(text.printableLine == text && text.contains(#"x\u{1b}[2K\u{d}\u{a}error"#))
        }
        let scratch = try ScratchFolder()
        let directory = try RunDirectory(scratch("run"), opening: .fresh)
        try directory.log("found \u{1b}[2Jname\nand more")
        let line = try scratch.text("run/events.log")
        #expect(line.hasSuffix(#" found \u{1b}[2Jname and more"# + "\n"))
    }
}
