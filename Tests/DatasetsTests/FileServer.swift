import Foundation
import TestSupport
import Testing

/// A server on localhost for tests of transfers, see `Fixtures/file_server.py`; it ends with the value.
final class FileServer {
    private let process = Process()
    private let log: String
    private let port: Int

    /// Serves a folder.
    init(_ folder: String, logIn scratch: ScratchFolder) throws {
        log = try scratch.write("", to: "server-\(UUID().uuidString).log")
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "Fixtures/file_server.py")
        process.arguments = ["python3", script.path, folder]
        process.standardOutput = FileHandle(forWritingAtPath: log)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let start = ContinuousClock.now
        while Self.lines(log).isEmpty, process.isRunning, ContinuousClock.now - start < .seconds(60) { usleep(10_000) }
        port = try #require(Self.lines(log).first.flatMap { Int($0) }, "the server does not start")
    }

    // Threads that run tests block most signals, and so do their children.
    deinit { kill(process.processIdentifier, SIGKILL) }

    /// The address of the folder, which is served in a manner.
    func address(_ manner: String) -> String { "http://127.0.0.1:\(port)/\(manner)" }

    /// What was asked for up to now, addresses and ranges.
    var requests: [String] { Self.lines(log).dropFirst().map { $0.trimmingCharacters(in: .whitespaces) } }

    private static func lines(_ path: String) -> [String] {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self).split(separator: "\n")
            .map(String.init)
    }

    /// Whether the programs of these tests are there.
    static let isPossible = ["python3", "curl", "tar", "unzip"].allSatisfy { program in
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(program)")
        }
    }
}
