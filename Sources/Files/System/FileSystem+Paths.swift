import Foundation

// Parts of paths as POSIX's dirname and basename give them (IEEE Std 1003.1), found on the bytes: a file system knows no
// characters, and Foundation's functions end the program at some paths of one character.
extension FileSystem {
    private static let slash = UInt8(ascii: "/")

    /// A name in a directory; in the working directory where that is empty.
    package static func join(_ directory: String, _ name: String) -> String {
        directory.isEmpty || directory.utf8.last == slash ? directory + name : directory + "/" + name
    }

    /// The directory that a path is in: `.` for a bare name and for an empty path, `/` for the root and what is in it.
    package static func parent(of path: String) -> String {
        let named = trimmed(path.utf8)
        guard let cut = named.lastIndex(of: slash) else { return "." }
        let above = trimmed(named[..<cut])
        return above.isEmpty ? "/" : String(decoding: above, as: UTF8.self)
    }

    /// The last name of a path, slashes behind it left out: `/` for the root, `.` for an empty path.
    package static func lastComponent(of path: String) -> String {
        let named = trimmed(path.utf8)
        if named.isEmpty { return "." }
        guard let cut = named.lastIndex(of: slash), named.count > 1 else {
            return String(decoding: named, as: UTF8.self)
        }
        return String(decoding: named[named.index(after: cut)...], as: UTF8.self)
    }

    /// Whether a text can be the name of one file in a directory, and be shown as it is.
    package static func isPlainName(_ name: String) -> Bool {
        let bytes = name.utf8
        return !bytes.isEmpty && bytes.count <= Int(NAME_MAX) && name != "." && name != ".." && !bytes.contains(slash)
            && name.printable == name && !name.unicodeScalars.contains("\n")
    }

    /// Whether two paths lead to the same file or directory, links followed; false where one leads nowhere.
    package static func areSame(_ first: String, _ second: String) -> Bool {
        var (left, right) = (stat(), stat())
        guard stat(first, &left) == 0, stat(second, &right) == 0 else { return false }
        return left.st_dev == right.st_dev && left.st_ino == right.st_ino
    }

    /// The path without the slashes behind it; one slash stays of slashes alone.
    private static func trimmed(_ path: String.UTF8View.SubSequence) -> String.UTF8View.SubSequence {
        let end = path.lastIndex { $0 != slash }.map { path.index(after: $0) }
        guard let end else { return path.prefix(1) }
        return path[..<end]
    }

    private static func trimmed(_ path: String.UTF8View) -> String.UTF8View.SubSequence { trimmed(path[...]) }
}
