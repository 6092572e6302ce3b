/// A checkpoint that cannot be written or must not be used.
package enum CheckpointError: ErrorWithStatus, Equatable, Sendable, CustomStringConvertible {
    /// The system refused, for instance because the disk is full.
    case system(FileSystemError)
    /// What is to be written, or was read, breaks the format of its file.
    case contents(FileFormatError)
    /// A file of a checkpoint, or a pointer to one, is missing or not what was written.
    case damaged(path: String, file: String, expected: String, found: String)

    /// One line: the checkpoint, its file, what was expected there and what was found.
    package var description: String {
        switch self {
        case .system(let error): error.description
        case .contents(let error): error.description
        case .damaged(let path, let file, let expected, let found):
            "\(path): \(file): expected \(expected), found \(found)".printableLine
        }
    }

    package var exitStatus: ExitStatus { .checkpoint }

    package init(_ error: FileFormatError) {
        if case .system(let error) = error { self = .system(error) } else { self = .contents(error) }
    }
}

/// Runs file operations and gives their errors the type of a checkpoint's.
package func asCheckpointError<Value: ~Copyable>(
    _ body: () throws(FileSystemError) -> Value
) throws(CheckpointError) -> Value {
    do { return try body() } catch { throw .system(error) }
}
