import CZlib
import Foundation

/// A file read from its beginning to its end, gzip or plain: zlib tells them apart by their first bytes.
///
/// Memory grows with what the file holds, never with what its header claims. The checksum at the end of gzip data is
/// compared when the end is reached, so a reader must go on to it: see ``countRest()``.
final class CompressedFile {
    /// The path, as messages name it.
    let path: String
    private let handle: gzFile

    init(_ path: String) throws(DatasetError) {
        guard let handle = gzopen(path, "rb") else {
            throw .unreadable(file: path, reason: String(cString: strerror(errno)))
        }
        gzbuffer(handle, 1 << 17)
        self.path = path
        self.handle = handle
    }

    deinit { gzclose(handle) }

    /// Returns the next `count` bytes, fewer only where the file ends.
    func read(_ count: Int) throws(DatasetError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let wanted = min(count - bytes.count, 1 << 22)
            var read: Int32 = 0
            bytes += [UInt8](unsafeUninitializedCapacity: wanted) { buffer, initialized in
                read = gzread(handle, buffer.baseAddress, UInt32(wanted))
                initialized = Int(max(0, read))
            }
            if read < wanted {
                try checkState()
                break
            }
        }
        return bytes
    }

    /// Reads on to the end of the file and returns the number of bytes that were left.
    func countRest() throws(DatasetError) -> Int {
        var rest = 0
        while true {
            let found = try read(1 << 20).count
            rest += found
            if found < 1 << 20 { return rest }
        }
    }

    /// Throws what zlib found wrong with the last read.
    private func checkState() throws(DatasetError) {
        var code = Z_OK
        let message = String(cString: gzerror(handle, &code))
        // zlib puts the path before its own words; our messages name it already.
        let reason = message.hasPrefix(path + ": ") ? String(message.dropFirst(path.count + 2)) : message
        switch code {
        case Z_OK, Z_STREAM_END: return
        case Z_ERRNO: throw .unreadable(file: path, reason: reason)
        default: throw .damaged(file: path, reason: reason)
        }
    }
}
