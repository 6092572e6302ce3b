import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("Logs of records")
struct RecordLogTests {
    private let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("records come back as they were appended, also after the file was opened again")
    func readBack() throws {
        let path = scratch("log")
        try RecordLog(creating: path, first: bytes("begin")).append(bytes(#"{"a":1}"#))
        let (first, length) = try RecordLog.read(path)
        #expect(first == [bytes("begin"), bytes(#"{"a":1}"#)])
        try RecordLog(continuing: path, at: length).append([])
        #expect(try RecordLog.read(path).records == first + [[]])
        _ = try RecordLog(creating: path, first: bytes("anew"))
        #expect(try RecordLog.read(path).records == [bytes("anew")])
    }

    @Test("a file cut off anywhere gives its whole records, and goes on after them")
    func cutOff() throws {
        let path = scratch("log")
        let log = try RecordLog(creating: path, first: bytes("one"))
        try log.append(bytes("second"))
        let whole = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        let firstEnd = try #require(whole.firstIndex(of: UInt8(ascii: "\n"))) + 1
        for count in firstEnd..<whole.count {
            try Data(whole[..<count]).write(to: URL(fileURLWithPath: path))
            let (records, length) = try RecordLog.read(path)
            #expect(records == [bytes("one")] && length == firstEnd, "\(count) bytes")
            try RecordLog(continuing: path, at: length).append(bytes("again"))
            #expect(try RecordLog.read(path).records == [bytes("one"), bytes("again")], "\(count) bytes")
        }
    }

    @Test("a record with any byte changed is none, nor is what follows it")
    func damaged() throws {
        let path = scratch("log")
        let log = try RecordLog(creating: path, first: bytes("one"))
        try log.append(bytes("two"))
        let whole = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        let firstEnd = try #require(whole.firstIndex(of: UInt8(ascii: "\n"))) + 1
        for place in 0..<whole.count {
            var changed = whole
            changed[place] ^= 4
            try Data(changed).write(to: URL(fileURLWithPath: path))
            #expect(try RecordLog.read(path).records == (place < firstEnd ? [] : [bytes("one")]), "byte \(place)")
        }
    }
}
