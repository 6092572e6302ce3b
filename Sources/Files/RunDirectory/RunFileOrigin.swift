import Foundation

/// By what a file of a run directory is known as one that this program wrote.
struct RunFileOrigin {
    private let expected: String
    private let isOurs: (String) -> Bool

    /// The sign of a file with this name.
    init(_ name: String) {
        switch name {
        case RunDirectory.configurationName:
            (expected, isOurs) = ("a resolved configuration", { $0.hasPrefix("preset:") })
        case RunDirectory.environmentName:
            (expected, isOurs) = ("JSON with blas_kernel", { $0.hasPrefix("{") && $0.contains("\"blas_kernel\"") })
        case "command.txt":
            (expected, isOurs) = ("a command on one line", { $0.firstIndex(of: "\n") == $0.index(before: $0.endIndex) })
        case "events.log":
            (expected, isOurs) = (
                "lines that begin with a time",
                { $0.prefix(11).filter { !$0.isNumber } == "--T" }
            )
        case RunDirectory.unfinishedName:
            (expected, isOurs) = (
                "chunks of an evaluation, each after its digest",
                { $0.prefix { $0 != " " }.allSatisfy(\.isHexDigit) && $0.contains(" {") }
            )
        case ExampleImages.fileName:
            (expected, isOurs) = ("tensors clean and attacked", { $0.contains("\"attacked\":{") })
        case RunDirectory.expertMapsName:
            (expected, isOurs) = (
                "a PNG file of \(PNGImage.ownSoftware)", { $0.contains("Software\0\(PNGImage.ownSoftware)") }
            )
        case EventFile.name:
            (expected, isOurs) = ("events of TensorBoard", { $0.contains(EventFile.version) })
        case RunDirectory.reportName:
            (expected, isOurs) = ("a report of robustmoe", { $0.lowercased().contains("robustmoe") })
        default:
            let header = "schema_version,run_id,"
            (expected, isOurs) = ("a table that begins with \(header)", { $0.hasPrefix(header) })
        }
    }

    /// Throws if a file is there that somebody else wrote.
    ///
    /// One with nothing in it has nothing to lose; a directory is left alone anyway.
    func requireOurs(_ path: String) throws(RunDirectoryError) {
        guard FileSystem.isFile(path) else { return }
        let text: String
        do { text = String(decoding: try InputFile(path).prefix(4096), as: UTF8.self) } catch { throw .system(error) }
        guard text.isEmpty || isOurs(text) else {
            throw .foreign(path: path, expected: expected, found: String(text.prefix { !$0.isNewline }.prefix(60)))
        }
    }
}
