import Foundation

/// Makes a system call again as long as a signal, rather than the file, has kept it from being done (EINTR).
///
/// Handlers are installed so that local file systems go on by themselves; network and user-space ones need not. `close` must
/// not be called so: Linux has closed the file by then.
/// - Parameter call: Returns -1 and leaves the reason in `errno` when it fails.
func uninterrupted<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
