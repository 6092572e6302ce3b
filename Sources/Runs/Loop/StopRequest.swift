import Glibc
import Synchronization

/// Whether this process was asked to stop: by the scheduler (SIGTERM, or SIGUSR1 ahead of a time limit), from the keyboard
/// (SIGINT) or by the end of the terminal (SIGHUP).
///
/// The first signal asks: training ends with a checkpoint, an evaluation with what it has finished; a second SIGINT or SIGHUP ends the process at once.
package enum StopRequest {
    private static let requested = Atomic<Bool>(false)
    private static let signals = [SIGTERM, SIGUSR1, SIGINT, SIGHUP]

    /// Lets signals wait from here on, also while the program starts itself anew.
    package static func hold() { mask(SIG_BLOCK) }

    /// Catches the signals, those that have waited too; they only set a flag that training looks at.
    package static func install() {
        // The flag must exist before the handler can run: a static is made at its first use.
        requested.store(false, ordering: .relaxed)
        for number in signals {
            // What a parent has decided to ignore, as nohup does, stays ignored.
            guard !isIgnored(number) else { continue }
            signal(number) { StopRequest.note($0) }
        }
        mask(SIG_UNBLOCK)
    }

    /// Whether a signal has come.
    package static var isRequested: Bool { requested.load(ordering: .relaxed) }

    private static func note(_ number: Int32) {
        let isSecond = requested.exchange(true, ordering: .relaxed)
        guard isSecond, number == SIGINT || number == SIGHUP else { return }
        signal(number, SIG_DFL)
        raise(number)
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0 else { return false }
        // Handlers are functions, which cannot be compared, but for this address.
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    private static func mask(_ change: Int32) {
        var set = sigset_t()
        sigemptyset(&set)
        for number in signals { sigaddset(&set, number) }
        sigprocmask(change, &set, nil)
    }
}
