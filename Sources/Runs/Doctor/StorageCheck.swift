import Files
import Foundation

/// How fast a directory takes what is written, as a checkpoint is written there.
enum StorageCheck {
    private static let bytes = 64 << 20
    private static let smallFiles = 10

    /// Writes, synchronises and removes files in a directory, made if it is missing.
    static func run(_ directory: String) -> DoctorCheck {
        let probe = "\(directory)/.robustmoe-doctor-\(getpid())"
        do {
            let isNew = !FileSystem.exists(directory)
            try FileSystem.createDirectory(directory)
            defer {
                unlink(probe)
                if isNew { rmdir(directory) }
            }
            let block = [UInt8](repeating: 7, count: 1 << 20)
            let large = try seconds {
                let file = try OutputFile(replacing: probe)
                for _ in 0..<bytes / block.count { try file.write(block.span.bytes) }
                try file.finish()
            }
            let small =
                try seconds {
                    for _ in 0..<smallFiles { try FileSystem.replace(probe, with: "x") }
                } / Double(smallFiles)
            var status = statvfs()
            let free = statvfs(directory, &status) == 0 ? Int(status.f_bavail) * Int(status.f_frsize) : nil
            return judged(directory, rate: Double(bytes) / large, small: small, free: free)
        } catch {
            return .error("storage", "\(error)", advice: "--output DIR names a directory that can be written to")
        }
    }

    /// What rates and room mean for a run.
    /// - Parameters:
    ///   - rate: Bytes a second of a large file, until it is on the disk.
    ///   - small: Seconds of a small one.
    ///   - free: Bytes that are free; nil where nobody knows.
    static func judged(_ directory: String, rate: Double, small: Double, free: Int?) -> DoctorCheck {
        let text =
            "\(directory): \(Console.significant(rate / 1e6)) MB/s to the disk, \(Console.significant(small * 1000)) ms a small file"
            + (free.map { ", \($0 >> 20) MiB free" } ?? "")
        if let free, free < 1 << 30 {
            return .warning("storage", text, advice: "make room, or --output a directory on another disk")
        }
        if rate < 10e6 || small > 1 {
            return .warning(
                "storage", text,
                advice: "write checkpoints seldom (training.checkpoint_every), or --output a faster disk")
        }
        return .ok("storage", text)
    }

    private static func seconds(_ body: () throws -> Void) rethrows -> Double {
        let start = ContinuousClock.now
        try body()
        return (ContinuousClock.now - start) / .seconds(1)
    }
}
