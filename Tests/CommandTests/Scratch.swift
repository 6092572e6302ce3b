import Foundation

/// Folders that go when the tests end.
enum Scratch {
    private static let base: String = {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("command-\(getpid())").path
        atexit { try? FileManager.default.removeItem(atPath: Scratch.base) }
        return path
    }()

    /// A new folder.
    static func folder() throws -> String {
        let path = base + "/" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    /// A copy of a folder, at a new place.
    static func copy(of path: String) throws -> String {
        let place = try folder() + "/copy"
        try FileManager.default.copyItem(atPath: path, toPath: place)
        return place
    }

    /// Every file below a folder with its bytes; none where there is no folder.
    static func contents(of folder: String) throws -> [String: Data] {
        var result: [String: Data] = [:]
        guard exists(folder) else { return result }
        for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
            var isFolder: ObjCBool = false
            let path = "\(folder)/\(name)"
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else {
                continue
            }
            result[name] = FileManager.default.contents(atPath: path)
        }
        return result
    }

    static func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    /// Changes one byte in the middle of a file.
    static func damage(_ path: String) throws {
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count / 2] ^= 0x40
        try bytes.write(to: URL(fileURLWithPath: path))
    }
}
