import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("Types of numbers in safetensors files")
struct StoredElementTests {
    private let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    /// Reads a file of one tensor `a` with these bytes.
    private func read(_ type: String, _ bytes: [UInt8], shape: [Int]) throws -> NamedTensor {
        let header = #"{"a":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":[0,\#(bytes.count)]}}"#
        let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
        let path = try scratch.write(length + Array(header.utf8) + bytes, to: "file")
        let kinds = try SafetensorsFile.kinds(path)
        #expect(kinds["a"] == SafetensorsFile.Kind(type: .float, shape: shape))
        return try #require(try SafetensorsFile.read(path)["a"])
    }

    @Test("half precision is read exactly: normal, subnormal, infinite and negative numbers")
    func half() throws {
        // 1, -2, 2^-24 (the smallest), 65504 (the largest), infinity.
        let bytes: [UInt8] = [0x00, 0x3C, 0x00, 0xC0, 0x01, 0x00, 0xFF, 0x7B, 0x00, 0x7C]
        let tensor = try read("F16", bytes, shape: [5])
        #expect(tensor == NamedTensor(name: "a", shape: [5], values: .float([1, -2, 0x1p-24, 65504, .infinity])))
    }

    @Test("bfloat16 is the upper half of a Float")
    func bfloat16() throws {
        // 1, -0.15625, 3.3895314e38 (the largest).
        let tensor = try read("BF16", [0x80, 0x3F, 0x20, 0xBE, 0x7F, 0x7F], shape: [3, 1])
        #expect(tensor == NamedTensor(name: "a", shape: [3, 1], values: .float([1, -0.15625, 0x1.fep127])))
    }

    @Test("F64 is rounded to the nearest Float, and what is beyond one is refused with the number")
    func double() throws {
        func bytes(_ numbers: [Double]) -> [UInt8] {
            numbers.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number.bitPattern >> (8 * UInt64($0))) }
            }
        }
        let tensor = try read("F64", bytes([0.1, -1e-300, 3.4e38, -.infinity]), shape: [4])
        #expect(tensor.values == .float([Float(0.1), -0.0, 3.4e38, -.infinity]))
        #expect {
            _ = try read("F64", bytes([1, -3.5e38]), shape: [2])
        } throws: { "\($0)".contains("tensor a: expected numbers up to 3.4028235e+38, found -3.5e+38") }
    }

    @Test("the bytes of a shape are those of the stored type")
    func sizes() throws {
        for (type, count) in [("F16", 6), ("BF16", 2), ("F64", 12)] {
            #expect {
                _ = try read(type, [UInt8](repeating: 0, count: count), shape: [2])
            } throws: { "\($0)".contains("bytes for \(type) of shape [2], found \(count)") }
        }
    }
}
