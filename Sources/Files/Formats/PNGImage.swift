import CZlib

/// A picture as a PNG file (ISO/IEC 15948): 8 bits a channel, gray or red, green and blue.
package enum PNGImage {
    /// The bytes of a file.
    ///
    /// - Parameters:
    ///   - pixels: Row-major `[height][width][channels]`, from 0, black, to 255.
    ///   - channels: 1 or 3.
    ///   - software: What the file says that made it; nil says nothing.
    package static func bytes(
        _ pixels: [UInt8], width: Int, height: Int, channels: Int, software: String? = nil
    ) -> [UInt8] {
        precondition(channels == 1 || channels == 3, "PNG has 1 or 3 channels here, got \(channels)")
        precondition(pixels.count == width * height * channels, "\(pixels.count) values in \(width) x \(height) pixels")
        let row = width * channels
        // Every row begins with its filter: none.
        var lines: [UInt8] = []
        lines.reserveCapacity(pixels.count + height)
        for start in stride(from: 0, to: pixels.count, by: row) { lines += [0] + pixels[start..<start + row] }
        let header = bigEndian(width) + bigEndian(height) + [8, channels == 1 ? 0 : 2, 0, 0, 0]
        let origin = software.map { chunk("tEXt", Array("Software\0\($0)".utf8)) } ?? []
        return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + chunk("IHDR", header) + origin
            + chunk("IDAT", deflated(lines)) + chunk("IEND", [])
    }

    /// What files that a run directory holds say that made them.
    package static let ownSoftware = "RobustMoE"

    /// The bytes of a file of values in [0, 1]; others are taken to the nearer end.
    package static func bytes(shares: [Float], width: Int, height: Int, channels: Int) -> [UInt8] {
        bytes(
            shares.map { UInt8((min(max($0, 0), 1) * 255).rounded()) }, width: width, height: height,
            channels: channels)
    }

    private static func chunk(_ name: String, _ contents: [UInt8]) -> [UInt8] {
        let body = Array(name.utf8) + contents
        return bigEndian(contents.count) + body + bigEndian(Int(crc32(0, body, UInt32(body.count))))
    }

    private static func bigEndian(_ number: Int) -> [UInt8] {
        stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> $0) }
    }

    private static func deflated(_ bytes: [UInt8]) -> [UInt8] {
        let bound = Int(compressBound(UInt(bytes.count)))
        return [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
            var size = UInt(bound)
            let status = compress2(buffer.baseAddress, &size, bytes, UInt(bytes.count), Z_BEST_COMPRESSION)
            precondition(status == Z_OK, "zlib: status \(status) where there is room for any result")
            count = Int(size)
        }
    }
}
