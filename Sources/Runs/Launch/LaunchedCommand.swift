import Collectives
import Files
import Foundation

/// The command that a person or a script gave to start this job.
enum LaunchedCommand {
    private static let launchers: Set = ["mpirun", "mpiexec", "mpiexec.hydra", "orterun", "prterun", "srun"]

    /// Returns the launcher's whole line where it is the parent of this process and tells it, else the process's own.
    ///
    /// A launcher is the parent of the ranks of its own host alone, where rank 0 usually is.
    /// - Parameters:
    ///   - own: The words of this process.
    ///   - launch: Whether there is a launcher.
    ///   - parent: The file of the parent's words, with a zero byte behind each.
    static func words(
        own: [String] = CommandLine.arguments, launch: LaunchEnvironment = .current,
        parent: String = "/proc/\(getppid())/cmdline"
    ) -> [String] {
        guard launch.isLaunched, let bytes = try? FileSystem.beginning(of: parent, atMost: 1 << 20) else { return own }
        let words = bytes.split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
            String(decoding: $0, as: UTF8.self)
        }
        guard let first = words.first, launchers.contains(FileSystem.lastComponent(of: first)) else { return own }
        return words
    }
}
