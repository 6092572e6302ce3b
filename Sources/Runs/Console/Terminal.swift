import Collectives
import Foundation

/// The terminal that shows stdout, if one does.
///
/// Open MPI gives its ranks a pseudo-terminal whatever its own stdout is, so below `mpirun` it is the launcher's stdout that
/// counts, as far as this host tells; where it cannot be told, there is none.
struct Terminal {
    private let path: String?

    /// The terminal of this process, nil where stdout is a file, a pipe, or shown by a terminal that cannot go back in a line.
    static let current = Terminal()

    private init?() {
        guard isatty(STDOUT_FILENO) == 1 else { return nil }
        let environment = ProcessInfo.processInfo.environment
        guard let kind = environment["TERM"], !kind.isEmpty, kind != "dumb" else { return nil }
        guard LaunchEnvironment.current.isLaunched else {
            path = nil
            return
        }
        guard let path = LauncherProcess()?.terminal else { return nil }
        self.path = path
    }

    /// Characters in a line; 80 where it does not tell.
    var columns: Int {
        var size = winsize()
        let descriptor = path.map { open($0, O_RDONLY | O_NOCTTY) } ?? STDOUT_FILENO
        defer { if path != nil, descriptor >= 0 { close(descriptor) } }
        guard descriptor >= 0, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }
}
