/// A file that cannot be read or written as what it should be.
package enum FileFormatError: ErrorWithStatus, Equatable, Sendable, CustomStringConvertible {
    /// The system refused.
    case system(FileSystemError)
    /// What stands in the file, or is to be written there, breaks the format.
    case malformed(path: String, subject: String, expected: String, found: String)

    /// One line: the path, the part concerned, what was expected there and what was found.
    package var description: String {
        switch self {
        case .system(let error): error.description
        case .malformed(let path, let subject, let expected, let found):
            "\(path): \(subject): expected \(expected), found \(found)".printableLine
        }
    }

    package var exitStatus: ExitStatus { .environment }
}

/// Runs file operations and gives their errors the type of a file format's.
func asFormatError<Value: ~Copyable>(
    _ body: () throws(FileSystemError) -> Value
) throws(FileFormatError) -> Value {
    do { return try body() } catch { throw .system(error) }
}
