import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("Events for TensorBoard")
struct EventFileTests {
    @Test("checksums are those of RFC 3720's examples")
    func checksums() {
        #expect(EventFile.checksum(Array("123456789".utf8)) == 0xe306_9283)
        #expect(EventFile.checksum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(EventFile.checksum([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
    }

    @Test("a file begins with the version, and has a record for each row, between checksums")
    func records() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.path + "/" + EventFile.name
        for _ in 0..<2 {
            let file = try EventFile(path: path)
            let columns = ["epoch", "step", "split", "inputs", "loss", "accuracy", "gradient_norm"]
            try file.append(columns: columns, fields: ["1", "300", "train", "pgd", "2.5", "0.25", ""])
            try file.append(columns: columns, fields: ["1", "torn"])
        }
        var rest = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        func number(_ bytes: ArraySlice<UInt8>) -> Int { bytes.reversed().reduce(0) { $0 << 8 | Int($1) } }
        var events: [[UInt8]] = []
        while !rest.isEmpty {
            let length = number(rest[0..<8])
            #expect(number(rest[8..<12]) == Int(EventFile.maskedChecksum(Array(rest[0..<8]))))
            let event = Array(rest[12..<12 + length])
            #expect(number(rest[12 + length..<16 + length]) == Int(EventFile.maskedChecksum(event)))
            events.append(event)
            rest.removeFirst(16 + length)
        }
        #expect(events.count == 2)
        #expect(events[0].suffix(13) == Array("brain.Event:2".utf8)[...])
        // After the time: field 2, the step 300; field 5, a summary of two values.
        func value(_ tag: String, _ number: Float) -> [UInt8] {
            [0x0a, UInt8(tag.utf8.count)] + Array(tag.utf8) + [0x15] + withUnsafeBytes(of: number) { Array($0) }
        }
        var summary: [UInt8] = []
        for value in [value("train/pgd/loss", 2.5), value("train/pgd/accuracy", 0.25)] {
            summary += [0x0a, UInt8(value.count)] + value
        }
        #expect(Array(events[1].dropFirst(9)) == Array([0x10, 0xac, 0x02, 0x2a, UInt8(summary.count)]) + summary)
    }
}
