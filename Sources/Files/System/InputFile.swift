import Foundation

extension FileSystem {
    /// The first bytes of what a path gives, at most `limit` of them: a file, or a pipe that a shell put in its place.
    package static func beginning(of path: String, atMost limit: Int) throws(FileSystemError) -> [UInt8] {
        let descriptor = uninterrupted { open(path, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw FileSystemError("open", path, code: errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count < limit {
            let wanted = min(piece.count, limit - bytes.count)
            let count = piece.withUnsafeMutableBytes { Foundation.read(descriptor, $0.baseAddress, wanted) }
            if count == 0 { break }
            if count > 0 {
                bytes += piece[..<count]
            } else if errno != EINTR {
                throw FileSystemError("read", path, code: errno)
            }
        }
        return bytes
    }
}

/// An ordinary file open for reading; its size is known before anything is read.
package final class InputFile {
    /// The file, as messages name it.
    package let path: String
    /// Its size in bytes when it was opened.
    package let size: Int
    private let descriptor: Int32

    /// Opens an ordinary file; directories, pipes and devices are refused.
    package init(_ path: FilePath) throws(FileSystemError) {
        // Without O_NONBLOCK a pipe would hold us here until somebody writes to it.
        let descriptor = uninterrupted { path.withPointer { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) } }
        guard descriptor >= 0 else { throw FileSystemError("open", path.description, code: errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            let code = status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL
            throw FileSystemError("read, as an ordinary file,", path.description, code: code)
        }
        self.path = path.description
        self.size = Int(status.st_size)
        self.descriptor = descriptor
    }

    /// Opens the ordinary file that a text names.
    package convenience init(_ path: String) throws(FileSystemError) { try self.init(FilePath(path)) }

    deinit { close(descriptor) }

    /// Fills `bytes` from `offset` on and returns how many there were: fewer only at the file's end.
    package func read(into bytes: consuming MutableRawSpan, at offset: Int) throws(FileSystemError) -> Int {
        try bytes.withUnsafeMutableBytes { (buffer) throws(FileSystemError) in try read(into: buffer, at: offset) }
    }

    /// The same into memory that is no span's.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileSystemError) -> Int {
        var filled = 0
        while filled < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + filled))
            if count == 0 { break }
            if count > 0 {
                filled += count
            } else if errno != EINTR {
                throw FileSystemError("read", path, code: errno)
            }
        }
        return filled
    }

    /// The first bytes of the file, at most `limit` of them.
    package func prefix(_ limit: Int) throws(FileSystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: min(limit, size))
        var span = bytes.mutableSpan
        let count = try read(into: span.mutableBytes, at: 0)
        return Array(bytes[..<count])
    }
}
