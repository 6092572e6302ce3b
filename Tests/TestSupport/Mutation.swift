import Foundation
import Tensors

/// Makes damaged inputs of a good one, for readers of files from strangers: the same seed, the same inputs.
package struct Mutation {
    /// How many inputs a reader is given in one run of the tests: 500, or what `ROBUSTMOE_FUZZ_INPUTS` says.
    package static let inputs = ProcessInfo.processInfo.environment["ROBUSTMOE_FUZZ_INPUTS"].flatMap(Int.init) ?? 500

    /// What is done to the bytes once.
    private enum Change: CaseIterable {
        case flipBit
        case replaceByte
        case cutEnd
        case removePart
        case insertBytes
        case repeatPart
        case extremeField
        case extremeDigits
    }

    /// Numbers at which arithmetic on counts and offsets goes wrong, as 64 bits.
    private static let extremes: [UInt64] = [
        0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000,
        0x1fff_ffff_ffff_ffff, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, 0xffff_ffff_ffff_fffe,
        0xffff_ffff_ffff_ffff,
    ]

    /// The same in texts, with numbers that are no integers of 64 bits.
    private static let extremeTexts = [
        "0", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551616",
        "4294967296", "1e308", "1e999", "-0.0", "NaN", "0.5", "00", "",
    ]

    private var random: RandomStream

    /// Starts the sequence of a seed.
    package init(seed: UInt64) { random = RandomStream(seed: seed, purpose: .synthetic) }

    /// Returns the bytes with one to four changes.
    package mutating func mutate(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0...random.integer(below: 4) {
            change(&bytes, Change.allCases[random.integer(below: Change.allCases.count)])
        }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8], _ change: Change) {
        guard !bytes.isEmpty else { return bytes = someBytes() }
        switch change {
        case .flipBit: bytes[place(in: bytes)] ^= 1 << UInt8(random.integer(below: 8))
        case .replaceByte: bytes[place(in: bytes)] = UInt8(random.integer(below: 256))
        case .cutEnd: bytes.removeLast(random.integer(below: bytes.count + 1))
        case .removePart: bytes.removeSubrange(part(of: bytes))
        case .insertBytes: bytes.insert(contentsOf: someBytes(), at: place(in: bytes))
        case .repeatPart: bytes.insert(contentsOf: bytes[part(of: bytes)], at: place(in: bytes))
        case .extremeField:
            let width = 1 << random.integer(below: 4)
            let number = Mutation.extremes[random.integer(below: Mutation.extremes.count)]
            let isBigEndian = random.integer(below: 2) == 1
            let start = place(in: bytes)
            for index in 0..<min(width, bytes.count - start) {
                let shift = UInt64(8 * (isBigEndian ? width - 1 - index : index))
                bytes[start + index] = UInt8(truncatingIfNeeded: number >> shift)
            }
        case .extremeDigits:
            let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) }
            let from = place(in: bytes)
            guard let start = bytes[from...].firstIndex(where: isDigit) else { return }
            let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.endIndex
            let text = Mutation.extremeTexts[random.integer(below: Mutation.extremeTexts.count)]
            bytes.replaceSubrange(start..<end, with: Array(text.utf8))
        }
    }

    /// Half of the places lie in the first 64 bytes, where headers are.
    private mutating func place(in bytes: [UInt8]) -> Int {
        random.integer(below: random.integer(below: 2) == 1 ? min(64, bytes.count) : bytes.count)
    }

    private mutating func part(of bytes: [UInt8]) -> Range<Int> {
        let start = place(in: bytes)
        return start..<start + 1 + random.integer(below: min(256, bytes.count - start))
    }

    private mutating func someBytes() -> [UInt8] {
        (0...random.integer(below: 32)).map { _ in UInt8(random.integer(below: 256)) }
    }
}
