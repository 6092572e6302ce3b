import Dispatch
import Synchronization

/// The fork-join loop of a rank: the only place where more than one thread runs, beside one background task.
///
/// Chunks are fixed by the caller from the shape alone and taken dynamically, so results depend neither on the number
/// of threads nor on timing as long as chunks write disjoint memory.
public struct ParallelLoop: Sendable {
    /// The number of threads that take part, at least 1.
    public let threads: Int

    /// Makes a loop over `threads` threads.
    public init(threads: Int) {
        precondition(threads >= 1, "a parallel loop needs at least one thread, got \(threads)")
        self.threads = threads
    }

    /// Calls `body(worker, chunk)` once for every chunk in `0..<chunks` and returns when all are done.
    ///
    /// `worker` is below ``threads`` and names scratch memory that no other chunk uses at the same time. Bodies must
    /// not start another loop.
    public func callAsFunction(_ chunks: Int, _ body: (_ worker: Int, _ chunk: Int) -> Void) {
        let workers = min(threads, chunks)
        if workers <= 1 {
            for chunk in 0..<max(0, chunks) { body(0, chunk) }
            return
        }
        let next = Atomic<Int>(0)
        withoutActuallyEscaping(body) { body in
            // Safe: every chunk is handed out exactly once by the atomic counter, chunks write disjoint memory by the
            // contract above, and concurrentPerform returns only after all workers have finished.
            nonisolated(unsafe) let body = body
            DispatchQueue.concurrentPerform(iterations: workers) { worker in
                while true {
                    let chunk = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    if chunk >= chunks { return }
                    body(worker, chunk)
                }
            }
        }
    }
}

/// Work that goes on beside the main thread, one task at a time: batch preparation, checkpoint hashing.
public final class BackgroundTask<Value> {
    private final class Result {
        var value: Value?
    }
    private let group = DispatchGroup()
    private let result = Result()

    /// Starts `work` on the serial background queue.
    ///
    /// Until ``wait()`` returns, the caller must not touch anything that `work` reads or writes.
    public init(_ work: @escaping () -> Value) {
        // Safe: the closure runs once, on one thread; the owner looks at the result only after waiting for the group.
        nonisolated(unsafe) let work = work
        nonisolated(unsafe) let result = result
        backgroundQueue.async(group: group) { result.value = work() }
    }

    /// Returns the task's value, waiting until it is there.
    public func wait() -> Value {
        group.wait()
        guard let value = result.value else { preconditionFailure("a background task left no value") }
        return value
    }
}

private let backgroundQueue = DispatchQueue(label: "robustmoe.background")
