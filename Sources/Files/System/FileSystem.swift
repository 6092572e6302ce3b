import Foundation

/// A system call on a file that failed: what was tried, where, and what the system said.
package struct FileSystemError: ErrorWithStatus, Equatable, Sendable, CustomStringConvertible {
    /// What was tried, a verb such as `write`.
    package let operation: String
    /// The file or directory.
    package let path: String
    /// The system's error number, `errno`.
    package let code: Int32
    /// How many bytes were to be written, where that matters (a full disk).
    package let bytesWanted: Int?

    /// What the system says, without what was tried and where.
    package var reason: String { String(cString: strerror(code)) }

    init(_ operation: String, _ path: String, code: Int32, bytesWanted: Int? = nil) {
        self.operation = operation
        self.path = path
        self.code = code
        self.bytesWanted = bytesWanted
    }

    /// One line with the path, the system's own text and the bytes wanted.
    package var description: String {
        let wanted = bytesWanted.map { " (\($0) bytes wanted)" } ?? ""
        return "cannot \(operation) \(path)\(wanted): \(reason) (errno \(code))".printableLine
    }

    package var exitStatus: ExitStatus { .environment }
}

/// Directory operations that either last through a power failure or say why they did not happen.
package enum FileSystem {
    /// The kind of what lies at `path`, links followed; nil where there is nothing to see.
    static func kind(of path: FilePath) -> mode_t? {
        var status = stat()
        return path.withPointer { stat($0, &status) } == 0 ? status.st_mode & S_IFMT : nil
    }

    package static func isDirectory(_ path: FilePath) -> Bool { kind(of: path) == S_IFDIR }

    package static func isDirectory(_ path: String) -> Bool { isDirectory(FilePath(path)) }

    /// Whether an ordinary file has this name, links followed.
    package static func isFile(_ path: String) -> Bool { kind(of: FilePath(path)) == S_IFREG }

    /// Whether anything has this name, a dangling link included.
    package static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Makes a directory and what is missing above it; one that is there already is fine.
    package static func createDirectory(_ path: String) throws(FileSystemError) {
        if isDirectory(path) { return }
        let parent = parent(of: path)
        var isMade = uninterrupted { mkdir(path, 0o777) } == 0
        // Asked before anything above is made: a path that is too long is one at any depth.
        if !isMade, errno == ENOENT, parent != path, !exists(parent) {
            try createDirectory(parent)
            isMade = uninterrupted { mkdir(path, 0o777) } == 0
        }
        let code = errno
        if !isMade, !(code == EEXIST && isDirectory(path)) {
            throw FileSystemError("create the directory", path, code: code)
        }
        try synchronizeDirectory(parent)
    }

    /// Makes the names in a directory last: a renamed file is safe only once its directory is.
    static func synchronizeDirectory(_ path: String) throws(FileSystemError) {
        let descriptor = uninterrupted { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw FileSystemError("open the directory", path, code: errno) }
        defer { close(descriptor) }
        // Some network file systems cannot synchronise a directory and say so with EINVAL; there is nothing more to do.
        if uninterrupted({ fsync(descriptor) }) != 0, errno != EINVAL {
            throw FileSystemError("synchronise the directory", path, code: errno)
        }
    }

    /// Gives what lies at `source` another name on the same file system, in one step.
    package static func rename(_ source: String, to destination: String) throws(FileSystemError) {
        if uninterrupted({ Foundation.rename(source, destination) }) != 0 {
            throw FileSystemError("rename \(source) to", destination, code: errno)
        }
    }

    /// Removes a file, a link (not what it points to) or a whole directory; nothing there is fine.
    package static func remove(_ path: String) throws(FileSystemError) { try remove(FilePath(path)) }

    private static func remove(_ path: FilePath) throws(FileSystemError) {
        var status = stat()
        guard path.withPointer({ lstat($0, &status) }) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in try names(in: path) { try remove(path.appending(name)) }
            if uninterrupted({ path.withPointer(rmdir) }) != 0 {
                throw FileSystemError("remove the directory", path.description, code: errno)
            }
        } else if uninterrupted({ path.withPointer(unlink) }) != 0 {
            throw FileSystemError("remove", path.description, code: errno)
        }
    }

    /// Removes a directory with nothing in it; one with something in it, and a link to one, stay.
    static func removeIfEmpty(_ path: String) throws(FileSystemError) {
        if uninterrupted({ rmdir(path) }) != 0, ![ENOENT, ENOTEMPTY, EEXIST, ENOTDIR].contains(errno) {
            throw FileSystemError("remove the directory", path, code: errno)
        }
    }

    /// The names in a directory as the file system has them, sorted by their bytes.
    package static func names(in directory: FilePath) throws(FileSystemError) -> [FilePath] {
        func failure() -> FileSystemError {
            FileSystemError("list the directory", directory.description, code: errno)
        }
        guard let stream = directory.withPointer(opendir) else { throw failure() }
        defer { closedir(stream) }
        var names: [FilePath] = []
        while true {
            // The end of the directory and an error differ in this alone.
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw failure() }
                return names.sorted()
            }
            // The name may be longer than the field that holds its beginning.
            guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { preconditionFailure("no names") }
            let start = UnsafeRawPointer(entry).advanced(by: offset)
            let length = strlen(start.assumingMemoryBound(to: CChar.self))
            let name = FilePath(bytes: UnsafeRawBufferPointer(start: start, count: length))
            if name != "." && name != ".." { names.append(name) }
        }
    }

    /// The names in a directory, sorted by their bytes, as they are shown: those of this program's own files are what they
    /// are, and a stranger's that cannot be a text equals none of them.
    package static func entries(of path: String) throws(FileSystemError) -> [String] {
        try names(in: FilePath(path)).map(\.description)
    }

    /// The text of an ordinary file.
    package static func text(of path: String) throws(FileSystemError) -> String {
        let file = try InputFile(path)
        return String(decoding: try file.prefix(file.size), as: UTF8.self)
    }

    /// Replaces a small file as a whole: readers see the old text or the new, never a mixture.
    package static func replace(_ path: String, with text: String) throws(FileSystemError) {
        let file = try OutputFile(replacing: path)
        try file.write(text)
        try file.finish()
    }
}
