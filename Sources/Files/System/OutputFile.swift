import Foundation

/// What a file holds, in short: its size and the SHA-256 of its bytes.
package struct FileDigest: Equatable, Sendable {
    /// The size in bytes.
    package let bytes: Int
    /// The SHA-256 as 64 lower-case hexadecimal digits.
    package let sha256: String

    /// A digest that is known already, from a manifest for instance.
    package init(bytes: Int, sha256: String) {
        self.bytes = bytes
        self.sha256 = sha256
    }

    /// Reads a file in pieces of a mebibyte and digests it.
    package init(ofFileAt path: String) throws(FileSystemError) {
        let file = try InputFile(path)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var hash = ContentDigest()
        var offset = 0
        while true {
            var span = buffer.mutableSpan
            let count = try file.read(into: span.mutableBytes, at: offset)
            if count == 0 { break }
            buffer.withUnsafeBytes { hash.append(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            offset += count
        }
        self.init(bytes: offset, sha256: hash.hexadecimal)
    }
}

/// A new file that counts only when it is whole: written aside, hashed as it goes, synchronised, then named.
///
/// If ``finish()`` is not reached the partial file is removed, and what had the name before stays as it was.
package final class OutputFile {
    private var descriptor: Int32
    private let path: String
    private let destination: String?
    private var hash = ContentDigest()
    private var byteCount = 0
    private var unsynchronized = 0
    private let progress: () -> Void

    /// Bytes after which the disk is waited for, so that the wait at the end is short.
    private static let bytesAtOnce = 64 << 20

    /// A file made under its own name, which must be free, for a directory that itself is named only at the end.
    /// - Parameter progress: Called with every piece that is written.
    package convenience init(
        creating path: String, progress: @escaping () -> Void = {}
    ) throws(FileSystemError) {
        let descriptor = uninterrupted { open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
        guard descriptor >= 0 else { throw FileSystemError("create", path, code: errno) }
        self.init(descriptor: descriptor, path: path, destination: nil, progress: progress)
    }

    /// A file that takes the place of `path`, which may exist, in one step at the end.
    package convenience init(replacing path: String) throws(FileSystemError) {
        let partial = FileSystem.join(
            FileSystem.parent(of: path), ".partial-" + FileSystem.lastComponent(of: path))
        try FileSystem.remove(partial)
        let descriptor = uninterrupted { open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
        guard descriptor >= 0 else { throw FileSystemError("create", partial, code: errno) }
        self.init(descriptor: descriptor, path: partial, destination: path)
    }

    init(descriptor: Int32, path: String, destination: String?, progress: @escaping () -> Void = {}) {
        self.progress = progress
        self.descriptor = descriptor
        self.path = path
        self.destination = destination
    }

    deinit {
        if descriptor >= 0 {
            close(descriptor)
            _ = uninterrupted { unlink(path) }
        }
    }

    /// Appends bytes; on an error the file is of no use any more.
    package func write(_ bytes: RawSpan) throws(FileSystemError) {
        try bytes.withUnsafeBytes { (buffer) throws(FileSystemError) in
            try writeWhole(buffer, to: descriptor, path: destination ?? path)
            hash.append(buffer)
        }
        byteCount += bytes.byteCount
        unsynchronized += bytes.byteCount
        if unsynchronized >= Self.bytesAtOnce {
            unsynchronized = 0
            // What it says matters at the end.
            _ = uninterrupted { fdatasync(descriptor) }
        }
        progress()
    }

    /// Appends text as UTF-8.
    package func write(_ text: String) throws(FileSystemError) {
        let bytes = Array(text.utf8)
        try write(bytes.span.bytes)
    }

    /// Appends all of another file.
    package func write(contentsOf file: InputFile) throws(FileSystemError) {
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var offset = 0
        while true {
            var span = buffer.mutableSpan
            let count = try file.read(into: span.mutableBytes, at: offset)
            if count == 0 { return }
            try write(buffer.span.bytes.extracting(0..<count))
            offset += count
        }
    }

    /// Synchronises the file and gives it its name; nothing may be written afterwards.
    @discardableResult
    package func finish() throws(FileSystemError) -> FileDigest {
        precondition(descriptor >= 0, "\(path) is finished already")
        // Writing may be put off until here, so a full disk may show only now.
        if uninterrupted({ fsync(descriptor) }) != 0 {
            throw FileSystemError("synchronise", destination ?? path, code: errno, bytesWanted: byteCount)
        }
        if let destination {
            try FileSystem.rename(path, to: destination)
            close(descriptor)
            descriptor = -1
            try FileSystem.synchronizeDirectory(FileSystem.parent(of: destination))
        } else {
            close(descriptor)
            descriptor = -1
        }
        return FileDigest(bytes: byteCount, sha256: hash.hexadecimal)
    }
}

/// Throws where an open file has no name any more, because it or its directory was removed: what is written there is lost.
func requireName(_ descriptor: Int32, path: String) throws(FileSystemError) {
    var status = stat()
    if fstat(descriptor, &status) == 0, status.st_nlink == 0 {
        throw FileSystemError("go on with", path, code: ENOENT)
    }
}

/// Writes all of `buffer`, through interruptions and short writes.
func writeWhole(_ buffer: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws(FileSystemError) {
    var rest = buffer
    while !rest.isEmpty {
        let count = write(descriptor, rest.baseAddress, rest.count)
        if count > 0 {
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        } else if errno != EINTR {
            throw FileSystemError("write", path, code: errno, bytesWanted: buffer.count)
        }
    }
}
