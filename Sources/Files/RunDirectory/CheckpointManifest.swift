import Foundation

/// What `manifest.json` says of a checkpoint: its step, and every other file's size and hash.
struct CheckpointManifest: Codable {
    struct File: Codable {
        let name: String
        let bytes: Int
        let sha256: String
    }

    static let name = "manifest.json"
    static let currentVersion = 1
    /// A manifest has a line or two for each of a handful of files; what is longer is something else.
    private static let sizeLimit = 1 << 20

    let formatVersion: Int
    let step: Int
    let files: [File]

    enum CodingKeys: String, CodingKey {
        case formatVersion = "format_version"
        case step, files
    }

    init(step: Int, files: [String: FileDigest]) {
        formatVersion = Self.currentVersion
        self.step = step
        self.files = files.map { File(name: $0.key, bytes: $0.value.bytes, sha256: $0.value.sha256) }
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// The manifest as JSON with sorted keys.
    func json() throws(FileFormatError) -> String { try prettyJSON(self, path: Self.name) }

    /// Reads and checks the manifest of the checkpoint in `directory`; the files themselves are not looked at.
    static func read(from directory: String) throws(CheckpointError) -> CheckpointManifest {
        func refusal(_ expected: String, _ found: String) -> CheckpointError {
            .damaged(path: directory, file: name, expected: expected, found: found)
        }
        let path = FileSystem.join(directory, name)
        guard FileSystem.exists(path) else {
            throw refusal("a manifest", FileSystem.isDirectory(directory) ? "no such file" : "no such directory")
        }
        let file = try asCheckpointError { () throws(FileSystemError) in try InputFile(path) }
        guard file.size <= sizeLimit else { throw refusal("at most \(sizeLimit) bytes", "\(file.size)") }
        let bytes = try asCheckpointError { () throws(FileSystemError) in try file.prefix(file.size) }
        let manifest: CheckpointManifest
        do {
            manifest = try JSONDecoder().decode(CheckpointManifest.self, from: Data(bytes))
        } catch {
            throw refusal("JSON with format_version, step and files", "something else (\(error))")
        }
        guard manifest.formatVersion == currentVersion else {
            throw refusal("format version \(currentVersion)", "\(manifest.formatVersion)")
        }
        guard manifest.step >= 0 else { throw refusal("a step of at least 0", "\(manifest.step)") }
        var names: Set<String> = []
        for file in manifest.files where !isPlainName(file.name) || !names.insert(file.name).inserted {
            throw refusal("plain file names, each once", file.name)
        }
        return manifest
    }

    /// Whether a name stays within its directory, and is not the manifest's own.
    static func isPlainName(_ name: String) -> Bool {
        FileSystem.isPlainName(name) && name != Self.name
    }
}

/// A value as JSON for people: sorted keys, indented, with a line feed at the end.
func prettyJSON(_ value: some Encodable, path: String) throws(FileFormatError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
        return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    } catch {
        throw .malformed(path: path, subject: "value", expected: "what JSON can hold", found: "\(error)")
    }
}
