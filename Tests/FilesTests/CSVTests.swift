import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("tables")
struct CSVTests {
    let scratch: ScratchFolder
    init() throws { scratch = try ScratchFolder() }

    private func table(_ columns: [String] = ["a", "b"]) throws -> CSVWriter {
        try CSVWriter(path: scratch("t.csv"), columns: columns, runID: "0123456789ab", schemaVersion: 3)
    }

    @Test("cells are written as the contract says, and each row is in the file at once")
    func cells() throws {
        let table = try table(["cell"])
        #expect(try scratch.text("t.csv") == "schema_version,run_id,cell\n")
        let cells: [(CSVValue, String)] = [
            (.text("plain ü"), "plain ü"), (.text("a,b"), "\"a,b\""), (.text("say \"x\""), "\"say \"\"x\"\"\""),
            (.text("two\nlines"), "\"two\nlines\""), (.text("a\rb"), "\"a\rb\""), (.integer(-7), "-7"),
            (.real(1.0 / 3), "0.333333333"), (.real(8.0 / 255), "0.031372549"), (.real(1e-20), "1e-20"),
            (.real(100), "100"), (.real(.nan), "nan"), (.real(-.nan), "nan"), (.real(.infinity), "inf"),
            (.real(-.infinity), "-inf"), (.boolean(true), "true"), (.boolean(false), "false"), (.empty, ""),
            (CSVValue(nil as Double?), ""), (CSVValue(2.5), "2.5"), (CSVValue(nil as String?), ""),
        ]
        var expected = "schema_version,run_id,cell\n"
        for (value, field) in cells {
            try table.append([value])
            expected += "3,0123456789ab,\(field)\n"
            #expect(try scratch.text("t.csv") == expected)
            #expect(table.byteOffset == expected.utf8.count)
        }
        let read = try Table.rows(scratch("t.csv")).compactMap { $0["cell"] }
        #expect(Array(read.prefix(5)) == ["plain ü", "a,b", "say \"x\"", "two\nlines", "a\rb"])
    }

    @Test("nine digits bring every Float back")
    func nineDigits() throws {
        for number: Float in [0.1, 1.0 / 3, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 16_777_215, -2.7182817] {
            #expect(Float(CSVValue.real(Double(number)).field) == number)
        }
    }

    @Test("a table that is opened again grows where it ended, and cutting removes the rows past a checkpoint")
    func resume() throws {
        var offset = 0
        do {
            let first = try table()
            try first.append([.integer(1), .text("one")])
            offset = first.byteOffset
            try first.append([.integer(2), .text("lost")])
            try first.synchronize()
        }
        let handle = try #require(FileHandle(forWritingAtPath: scratch("t.csv")))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("3,0123".utf8))
        let second = try table()
        #expect { try second.append([.integer(9), .empty]) } throws: { "\($0)".contains("a row that was cut short") }
        try second.truncate(to: offset)
        try second.append([.integer(2), .text("two")])
        #expect(
            try scratch.text("t.csv")
                == "schema_version,run_id,a,b\n3,0123456789ab,1,one\n3,0123456789ab,2,two\n")
        try second.truncate(to: second.headerBytes)
        #expect(try Table.records(scratch("t.csv")) == [["schema_version", "run_id", "a", "b"]])
    }

    @Test("a cut that is not at a row's end, or past the file's, is refused and changes nothing")
    func badCuts() throws {
        let table = try table()
        try table.append([.integer(1), .text("one")])
        let before = try scratch.text("t.csv")
        #expect { try table.truncate(to: table.byteOffset - 1) } throws: { "\($0)".contains("found 'e'") }
        #expect { try table.truncate(to: table.byteOffset + 1) } throws: {
            "\($0)".contains("found \(before.utf8.count) bytes")
        }
        #expect(throws: FileFormatError.self) { try table.truncate(to: 0) }
        #expect(try scratch.text("t.csv") == before)
    }

    @Test("a table that was begun with fewer columns goes on with these, from where its checkpoint says")
    func fewerColumns() throws {
        let columns = ["a", "b", "c"]
        func table() throws -> CSVWriter {
            try CSVWriter(path: scratch("t.csv"), columns: columns, runID: "id", schemaVersion: 2)
        }
        let older = "schema_version,run_id,a\n1,id,7\n"
        try scratch.write(older + "1,id,8\n", to: "t.csv")
        let writer = try table()
        try writer.truncate(to: older.utf8.count)
        try writer.append([.integer(9), .integer(10), .integer(11)])
        #expect(try scratch.text("t.csv") == older + "1,id,9\n")
        try scratch.write("schema_version,run_id,a\n", to: "t.csv")
        try table().append([.integer(9), .empty, .empty])
        #expect(try scratch.text("t.csv") == "schema_version,run_id,a\n2,id,9\n")
        for other in ["schema_version,run_id\n", "schema_version,run_id,a,c\n", "schema_version,run_id,ab\n"] {
            try scratch.write(other, to: "t.csv")
            #expect(throws: FileFormatError.self) { _ = try table() }
        }
    }

    @Test("a file with another header is refused and left alone; one cut within its header is begun again")
    func headers() throws {
        for text in ["schema_version,run_id,a,c\n1,r,2,3\n", "notes\n", "schema_version,run_id,a,b,c\n"] {
            try scratch.write(text, to: "t.csv")
            #expect { _ = try table() } throws: {
                "\($0)".contains("header: expected schema_version,run_id,a,b, found ")
            }
            #expect(try scratch.text("t.csv") == text)
        }
        for text in ["", "schema_ver", "schema_version,run_id,a,b"] {
            try scratch.write(text, to: "t.csv")
            _ = try table()
            #expect(try scratch.text("t.csv") == "schema_version,run_id,a,b\n")
        }
    }
}
