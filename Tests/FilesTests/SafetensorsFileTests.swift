import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("safetensors files")
struct SafetensorsFileTests {
    let scratch: ScratchFolder
    init() throws { scratch = try ScratchFolder() }

    static let tensors = [
        NamedTensor(name: "conv1.weight", shape: [2, 1, 1, 3], values: .float([1, -2, 0.5, 3, .infinity, -0.0])),
        NamedTensor(name: "bn1.num_batches_tracked", shape: [], values: .int64([1 << 40])),
        NamedTensor(name: "odd \"name\"\\ü\n", shape: [3], values: .float([1, 2, 3])),
        NamedTensor(name: "nothing", shape: [0, 4], values: .float([])),
    ]

    @Test("tensors come back as they were written, from bytes that do not depend on their order")
    func roundTrip() throws {
        try SafetensorsFile.write(Self.tensors, to: scratch("a"))
        try SafetensorsFile.write(Self.tensors.reversed(), to: scratch("b"))
        let read = try SafetensorsFile.read(scratch("a"))
        #expect(read == Dictionary(uniqueKeysWithValues: Self.tensors.map { ($0.name, $0) }))
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: scratch("a")))
                == Data(contentsOf: URL(fileURLWithPath: scratch("b"))))
        #expect(try scratch.names() == ["a", "b"])
    }

    @Test("the bytes of a file are exactly those of the format")
    func bytes() throws {
        let tensors = [
            NamedTensor(name: "b", shape: [1], values: .float([1])),
            NamedTensor(name: "a", shape: [1], values: .float([2])),
            NamedTensor(name: "n", shape: [], values: .int64([3])),
        ]
        try SafetensorsFile.write(tensors, to: scratch("x"))
        let header =
            #"{"__metadata__":{"format":"pt"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"#
            + #""a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"#
            + #""b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}"#
        let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
        let expected =
            [UInt8(padded.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(padded.utf8)
            + [3, 0, 0, 0, 0, 0, 0, 0] + [0, 0, 0, 0x40] + [0, 0, 0x80, 0x3F]
        #expect(try Array(Data(contentsOf: URL(fileURLWithPath: scratch("x")))) == expected)
    }

    @Test("tensors that do not fit their shape or share a name are refused, and the old file stays")
    func writerRefuses() throws {
        try SafetensorsFile.write([], to: scratch("x"))
        let before = try Data(contentsOf: URL(fileURLWithPath: scratch("x")))
        let wrong = NamedTensor(name: "w", shape: [2, 2], values: .float([1, 2, 3]))
        #expect {
            try SafetensorsFile.write([wrong], to: scratch("x"))
        } throws: { "\($0)".contains("tensor w: expected as many values as the shape [2, 2] holds, found 3") }
        let one = NamedTensor(name: "w", shape: [1], values: .float([1]))
        let other = NamedTensor(name: "w", shape: [1], values: .int64([1]))
        #expect { try SafetensorsFile.write([one, other], to: scratch("x")) } throws: {
            "\($0)".contains("tensor w: expected a name of its own")
        }
        let reserved = NamedTensor(name: "__metadata__", shape: [1], values: .float([1]))
        #expect(throws: FileFormatError.self) { try SafetensorsFile.write([reserved], to: scratch("x")) }
        #expect(try Data(contentsOf: URL(fileURLWithPath: scratch("x"))) == before)
        #expect(try scratch.names() == ["x"])
    }

    /// A file with this header, its length put before it and zeros after it.
    private func file(_ header: String, dataBytes: Int, length: UInt64? = nil) throws -> String {
        var bytes = Data()
        withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: header.utf8)
        bytes.append(Data(count: dataBytes))
        try bytes.write(to: URL(fileURLWithPath: scratch("attack")))
        return scratch("attack")
    }

    @Test(
        "a header that lies is refused, and the refusal says what was expected and found",
        arguments: [
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#, 4, "'}'"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}x"#, 4, "nothing after the closing brace"),
            (
                #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, 4,
                "tensor a: expected dtype F32, F16, BF16, F64, I64, found U8"
            ),
            (
                #"{"a\u001b[2J\n":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4,
                #"tensor a\u{1b}[2J\u{a}: expected 8 bytes"#
            ),
            (
                #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4,
                "tensor a: expected 8 bytes for F32 of shape [2], found 4"
            ),
            (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "extents of at least 0"),
            (#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}"#, 4, "64-bit number"),
            (#"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}"#, 4, "64-bit number"),
            (
                #"{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}"#, 4,
                "whole number of 64 bits"
            ),
            (#"{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#, 4, "whole number"),
            (#"{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}"#, 4, "whole number"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 4, "within the 4 bytes of data, found [4, 8]"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4, "within the 4 bytes"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "in order"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}"#, 4, "[begin, end]"),
            (
                #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
                8, "tensor b: expected its data to begin at byte 8, found byte 4, an overlap"
            ),
            (
                #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#,
                12, "tensor b: expected its data to begin at byte 4, found byte 8, a hole"
            ),
            (
                #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 8,
                "data: expected 4 bytes, the end of the last tensor, found 8"
            ),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, "a hole"),
            (
                #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
                4, "tensor a: expected every name once"
            ),
            (#"{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}"#, 4, "once each, found shape"),
            (#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, 4, "found no shape"),
            (#"{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}"#, 4, "whole number"),
            (#"{"__metadata__":{"format":1}}"#, 0, "expected '\"'"),
            (#"{"a\"#, 0, "an escape of JSON"),
            (#"{"a\""#, 0, "a closing quotation mark"),
            (#"{"\ud800":{}}"#, 0, "an escape of JSON"),
            (#"{"\u+123":{}}"#, 0, "four hexadecimal digits"),
            (#"[]"#, 0, "expected '{'"),
            ("", 0, "expected '{'"),
        ])
    func hostileHeaders(_ attack: (header: String, dataBytes: Int, reason: String)) throws {
        let path = try file(attack.header, dataBytes: attack.dataBytes)
        #expect {
            _ = try SafetensorsFile.read(path)
        } throws: { error in
            let text = "\(error)"
            guard error is FileFormatError, text.contains(attack.reason) else {
                Issue.record("\(attack.header) gave: \(text)")
                return false
            }
            return text.hasPrefix(path)
        }
    }

    @Test("a header length past the file, or past 100 MB, is refused before anything is allocated")
    func hugeHeader() throws {
        for length in [UInt64.max, 1 << 63, 3] {
            let path = try file("{}", dataBytes: 0, length: length)
            #expect { _ = try SafetensorsFile.read(path) } throws: {
                "\($0)".contains("header length: expected at most 2 bytes") && "\($0)".contains("found \(length)")
            }
        }
        // A sparse file that is long enough for the header that it announces.
        let path = try file("{}", dataBytes: 0, length: 100_000_001)
        #expect(truncate(path, 200_000_000) == 0)
        #expect { _ = try SafetensorsFile.read(path) } throws: {
            "\($0)".contains("expected at most 100000000 bytes") && "\($0)".contains("found 100000001")
        }
        try scratch.write("1234567", to: "short")
        #expect { _ = try SafetensorsFile.read(scratch("short")) } throws: { "\($0)".contains("found 7 bytes") }
    }

    @Test("what the format allows is read: any order of keys, escapes, white space, numbers off their alignment")
    func liberalInput() throws {
        let header =
            "{ \"\\u0061\\ud83d\\ude00\" : {\"data_offsets\":[4,12],\"shape\":[ ],\"dtype\":\"I64\"},\n"
            + " \"f\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}, \"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}  "
        let read = try SafetensorsFile.read(try file(header, dataBytes: 12))
        #expect(read["a😀"] == NamedTensor(name: "a😀", shape: [], values: .int64([0])))
        #expect(read["f"]?.shape == [1])
        #expect(read["e"]?.values == .float([]))
    }

    @Test("a directory, a missing file and a pipe are refused by name")
    func notAFile() throws {
        #expect { _ = try SafetensorsFile.read(scratch.path) } throws: { "\($0)".contains("Is a directory") }
        #expect { _ = try SafetensorsFile.read(scratch("none")) } throws: {
            "\($0)".contains("none") && "\($0)".contains("No such file")
        }
        #expect(mkfifo(scratch("pipe"), 0o600) == 0)
        #expect(throws: FileFormatError.self) { _ = try SafetensorsFile.read(scratch("pipe")) }
    }
}
