import CZlib
import Files
import Foundation

/// A file read from its beginning to its end, gzip or plain, which its first two bytes tell apart.
///
/// Memory grows with what the file holds, never with what its header claims. The checksum at the end of gzip data is
/// compared when the end is reached, so a reader must go on to it: see ``countRest()``. Streams of gzip that follow each
/// other are one, as for the program of that name; anything else after a stream is damage.
final class CompressedFile {
    private static let magic: [UInt8] = [0x1f, 0x8b]
    private static let mostInput = 1 << 17

    /// The path, as messages name it.
    let path: String
    /// The size of a plain file in bytes; nil where the file is gzip, and nobody knows before the end.
    let plainSize: Int?

    private let file: InputFile
    /// The byte of the file that is read next.
    private var position = 0
    private var stream: UnsafeMutablePointer<z_stream>?
    private let input: UnsafeMutableBufferPointer<UInt8>

    init(_ path: String) throws(DatasetError) {
        self.path = path
        do {
            file = try InputFile(path)
            plainSize = try file.prefix(2) == Self.magic ? nil : file.size
        } catch {
            throw .unreadable(file: path, reason: error.reason)
        }
        input = .allocate(capacity: plainSize == nil ? Self.mostInput : 0)
        guard plainSize == nil else { return }
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // The largest window, and 16 for the header and trailer of gzip.
        let code = inflateInit2_(stream, MAX_WBITS + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(code == Z_OK, "zlib cannot start, code \(code)")
        self.stream = stream
    }

    deinit {
        if let stream {
            inflateEnd(stream)
            stream.deallocate()
        }
        input.deallocate()
    }

    /// Returns the next `count` bytes, fewer only where the file ends.
    func read(_ count: Int) throws(DatasetError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            var piece = [UInt8](repeating: 0, count: min(count - bytes.count, 1 << 22))
            let found = try piece.withUnsafeMutableBufferPointer { (buffer) throws(DatasetError) in
                if let stream { try inflated(stream, into: buffer) } else { try stored(into: buffer) }
            }
            bytes += piece[..<found]
            if found < piece.count { break }
        }
        return bytes
    }

    /// Reads on and returns the number of bytes that were left, counted up to a mebibyte.
    func countRest() throws(DatasetError) -> Int { try read(1 << 20).count }

    private func stored(into buffer: UnsafeMutableBufferPointer<UInt8>) throws(DatasetError) -> Int {
        do {
            let found = try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: position)
            position += found
            return found
        } catch {
            throw .unreadable(file: path, reason: error.reason)
        }
    }

    private func inflated(
        _ stream: UnsafeMutablePointer<z_stream>, into buffer: UnsafeMutableBufferPointer<UInt8>
    ) throws(DatasetError) -> Int {
        stream.pointee.next_out = buffer.baseAddress
        stream.pointee.avail_out = UInt32(buffer.count)
        while stream.pointee.avail_out > 0 {
            if stream.pointee.avail_in == 0 {
                let found = try stored(into: input)
                stream.pointee.next_in = input.baseAddress
                stream.pointee.avail_in = UInt32(found)
            }
            switch inflate(stream, Z_NO_FLUSH) {
            case Z_OK: continue
            case Z_STREAM_END:
                guard try beginsAnother(stream) else { return buffer.count - Int(stream.pointee.avail_out) }
            case Z_BUF_ERROR: throw .damaged(file: path, reason: "unexpected end of file")
            case let code:
                throw .damaged(file: path, reason: stream.pointee.msg.map { String(cString: $0) } ?? "code \(code)")
            }
        }
        return buffer.count
    }

    /// Goes on to the stream that follows the one that has ended; false where the file ends here.
    private func beginsAnother(_ stream: UnsafeMutablePointer<z_stream>) throws(DatasetError) -> Bool {
        let end = position - Int(stream.pointee.avail_in)
        let rest = file.size - end
        guard rest > 0 else { return false }
        position = end
        let found = try stored(into: input)
        guard input.prefix(found).starts(with: Self.magic) else {
            throw .damaged(file: path, reason: "\(rest) bytes after the end at byte \(end)")
        }
        stream.pointee.next_in = input.baseAddress
        stream.pointee.avail_in = UInt32(found)
        inflateReset(stream)
        return true
    }
}
