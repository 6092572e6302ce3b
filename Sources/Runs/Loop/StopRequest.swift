import Glibc
import Synchronization

/// Whether the scheduler has asked this process to stop (SIGTERM, or SIGUSR1 ahead of a time limit).
package enum StopRequest {
    private static let requested = Atomic<Bool>(false)

    /// Catches the signals from here on; they only set a flag that the training loop looks at between steps.
    package static func install() {
        // The flag must exist before the handler can run: a static is made at its first use.
        requested.store(false, ordering: .relaxed)
        for number in [SIGTERM, SIGUSR1] {
            signal(number) { _ in StopRequest.note() }
        }
    }

    /// Whether a signal has come.
    package static var isRequested: Bool { requested.load(ordering: .relaxed) }

    private static func note() { requested.store(true, ordering: .relaxed) }
}
