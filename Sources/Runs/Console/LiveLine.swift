import Files
import Foundation
import Synchronization

/// The last line on a terminal, which is written over while work goes on.
///
/// Stdout is the process's own, and so is this. Where no terminal shows it, nothing is ever written.
package enum LiveLine {
    /// Whether one is shown where it can be.
    static let isWanted = Atomic(true)
    /// The least time between two texts.
    private static let interval = Duration.milliseconds(200)
    /// When the text that is shown was written; nil if none is.
    private static let shown = Mutex<ContinuousClock.Instant?>(nil)

    /// Whether texts are shown.
    static var isShown: Bool { isWanted.load(ordering: .relaxed) && Terminal.current != nil }

    /// Writes a text over the one before, if that has stood for a moment; what does not fit is cut.
    static func show(_ text: @autoclosure () -> String) {
        guard isShown, let terminal = Terminal.current else { return }
        shown.withLock { last in
            let now = ContinuousClock.now
            if let last, now - last < interval { return }
            last = now
            // A character in the last column makes some terminals go on in the next line.
            write("\r" + line(text(), columns: terminal.columns - 1) + eraseRest)
        }
    }

    /// Takes away the text that is shown, before anything else is written.
    package static func clear() {
        shown.withLock { last in
            guard last != nil else { return }
            last = nil
            write("\r" + eraseRest)
        }
    }

    /// A text as one line of at most so many characters.
    static func line(_ text: String, columns: Int) -> String {
        let line = text.printableLine
        return line.count <= columns ? line : line.prefix(max(0, columns - 1)) + "…"
    }

    private static let eraseRest = "\u{1B}[K"

    private static func write(_ text: String) {
        try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    }
}
