import Foundation

/// The launcher of this process's job, as the system shows its parent.
///
/// A launcher is the parent of the ranks of its own host alone, where rank 0 usually is; others have none to see.
public struct LauncherProcess: Equatable, Sendable {
    /// Programs that start ranks, without what distributions put behind a dot, as in `mpirun.openmpi`.
    private static let names: Set<Substring> = ["mpirun", "mpiexec", "orterun", "prterun", "srun"]

    /// Its whole command line, empty words included.
    public let words: [String]
    /// The terminal that it writes to; nil if it writes elsewhere.
    ///
    /// Open MPI gives its ranks a pseudo-terminal whatever its own output is.
    public let terminal: String?

    /// Looks at the parent of this process.
    /// - Parameters:
    ///   - launch: What the environment says of a launcher.
    ///   - folder: Where the system shows the parent.
    /// - Returns: nil where there is no launcher, or it is not the parent.
    public init?(_ launch: LaunchEnvironment = .current, folder: String = "/proc/\(getppid())") {
        guard launch.isLaunched, let line = kernelBytes("\(folder)/cmdline") else {
            return nil
        }
        // There is a zero byte behind each word.
        words = line.split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
            String(decoding: $0, as: UTF8.self)
        }
        guard let name = words.first?.split(separator: "/").last, Self.names.contains(name.prefix { $0 != "." }) else {
            return nil
        }
        let output = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/fd/1")
        terminal = output.flatMap { $0.hasPrefix("/dev/pts/") || $0.hasPrefix("/dev/tty") ? $0 : nil }
    }
}
