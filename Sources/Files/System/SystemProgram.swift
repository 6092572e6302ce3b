import Foundation

/// A program of the system that is run as a process of its own, found along `PATH`.
package struct SystemProgram: Sendable {
    /// Where it lies.
    package let path: String

    /// Finds a program by its name; nil where there is none.
    package init?(_ name: String) {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        let places = folders.map { FileSystem.join($0, name) }
        guard let path = places.first(where: { FileSystem.isFile($0) && access($0, X_OK) == 0 }) else { return nil }
        self.path = path
    }

    /// Runs the program to its end, without input.
    /// - Parameter whileRunning: Called some times a second meanwhile.
    /// - Returns: The exit status, 128 and the signal's number where a signal ended it; the last of what was printed.
    package func run(
        _ arguments: [String], whileRunning: () -> Void = {}
    ) throws(FileSystemError) -> (status: Int, output: String) {
        // Not a pipe: nobody reads it before the end, and a full one would stop the program.
        guard let file = tmpfile() else { throw FileSystemError("create", "a temporary file", code: errno) }
        defer { fclose(file) }
        let handle = FileHandle(fileDescriptor: fileno(file))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = handle
        process.standardError = handle
        do {
            try process.run()
        } catch {
            throw FileSystemError("start", path, code: ENOEXEC)
        }
        while process.isRunning {
            usleep(50_000)
            whileRunning()
        }
        process.waitUntilExit()
        let bySignal = process.terminationReason == .uncaughtSignal
        return (Int(process.terminationStatus) + (bySignal ? 128 : 0), Self.end(of: file))
    }

    private static func end(of file: UnsafeMutablePointer<FILE>) -> String {
        let most = 2000
        fseek(file, 0, SEEK_END)
        fseek(file, max(0, ftell(file) - most), SEEK_SET)
        var bytes = [UInt8](repeating: 0, count: most)
        let count = fread(&bytes, 1, most, file)
        return String(decoding: bytes[..<count], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
