import CHardware
import Dispatch
import Synchronization

/// The fork-join loop of a rank: the only place where more than one thread runs, beside one background task.
///
/// Chunks are fixed by the caller from the shape alone and taken dynamically, so results depend neither on the number
/// of threads nor on timing as long as chunks write disjoint memory. Copies share the threads.
public struct ParallelLoop: Sendable {
    /// The number of threads that take part, at least 1.
    public let threads: Int
    /// The other threads; nil where there are none.
    private let crew: Crew?

    /// Makes a loop over `threads` threads.
    public init(threads: Int) {
        precondition(threads >= 1, "a parallel loop needs at least one thread, got \(threads)")
        self.threads = threads
        crew = threads > 1 ? Crew(helpers: threads - 1) : nil
    }

    /// Calls `body(worker, chunk)` once for every chunk in `0..<chunks` and returns when all are done.
    ///
    /// `worker` is below ``threads`` and names scratch memory that no other chunk uses at the same time. Bodies must
    /// not start another loop. Where a background task is in a loop of the same threads, Dispatch's own take this one.
    public func callAsFunction(_ chunks: Int, _ body: (_ worker: Int, _ chunk: Int) -> Void) {
        let workers = min(threads, chunks)
        guard workers > 1, let crew else {
            for chunk in 0..<max(0, chunks) { body(0, chunk) }
            return
        }
        withoutActuallyEscaping(body) { body in
            if crew.run(chunks, helpers: workers - 1, body) { return }
            let next = Atomic<Int>(0)
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

/// Threads that wait for loops to help with.
///
/// A loop of a kernel takes a millisecond or less, and the next one begins some microseconds later: a thread that were put to
/// sleep between them would, on a virtual machine, often wake when the loop is over. So helpers look for work a while before
/// they sleep, and a loop never waits for one that has not begun to help.
private final class Crew: Sendable {
    private let work: Work

    init(helpers: Int) {
        work = Work(helpers: helpers)
        for helper in work.helpers {
            // A queue of its own: the thread stays in it until the crew goes.
            DispatchQueue(label: "robustmoe.helper").async { [work] in work.help(as: helper) }
        }
    }

    deinit { work.dismiss() }

    /// Runs a loop with up to so many helpers; false, without having called `body`, where another one is going on.
    func run(_ chunks: Int, helpers: Int, _ body: @escaping (Int, Int) -> Void) -> Bool {
        work.run(chunks, helpers: helpers, body)
    }
}

/// What a crew works on; outlives the crew until its threads have noticed that it is gone.
private final class Work: Sendable {
    /// One thread's bed.
    final class Helper: Sendable {
        let isAsleep = Atomic<Bool>(false)
        let alarm = DispatchSemaphore(value: 0)
    }

    let helpers: [Helper]
    private let isTaken = Atomic<Bool>(false)
    private let isOver = Atomic<Bool>(false)
    /// The number of the loop, how many helpers it takes, whether it takes no more, and how many it has: one word, so that a
    /// helper that comes late either counts or stays away.
    private let state = Atomic<UInt64>(Work.closed)
    private static let closed: UInt64 = 1 << 15
    private static func loop(_ state: UInt64) -> UInt64 { state >> 32 }
    private static func limit(_ state: UInt64) -> UInt64 { (state >> 16) & 0xFFFF }
    private static func joined(_ state: UInt64) -> UInt64 { state & (closed - 1) }
    private let next = Atomic<Int>(0)
    private let finished = Atomic<UInt64>(0)
    // Safe: written by the thread that has taken the crew while the loop is closed and all who joined the last one have
    // finished; read by helpers after joining, which acquires what opening the loop released.
    nonisolated(unsafe) private var body: ((Int, Int) -> Void)?
    nonisolated(unsafe) private var chunks = 0

    /// How often a helper looks for work before it sleeps: some 200 microseconds where nobody else wants the core.
    private static let patience = 6_000
    /// Looks between two offers of the core to other threads, of which there may be more than cores.
    private static let politeness = 32

    init(helpers: Int) {
        self.helpers = (0..<helpers).map { _ in Helper() }
    }

    func run(_ chunks: Int, helpers count: Int, _ body: @escaping (Int, Int) -> Void) -> Bool {
        if isTaken.exchange(true, ordering: .acquiring) { return false }
        defer { isTaken.store(false, ordering: .releasing) }
        self.body = body
        self.chunks = chunks
        next.store(0, ordering: .relaxed)
        finished.store(0, ordering: .relaxed)
        let number = Work.loop(state.load(ordering: .relaxed)) + 1
        state.store(number << 32 | UInt64(count) << 16, ordering: .sequentiallyConsistent)
        for helper in helpers.prefix(count) where helper.isAsleep.exchange(false, ordering: .sequentiallyConsistent) {
            helper.alarm.signal()
        }
        takeChunks(as: 0)
        let joined = Work.joined(state.bitwiseOr(Work.closed, ordering: .acquiringAndReleasing).oldValue)
        var looks = 0
        while finished.load(ordering: .acquiring) < joined {
            looks += 1
            Work.pause(afterLooks: looks)
        }
        self.body = nil
        return true
    }

    /// Helps with loops until there will be no more.
    func help(as helper: Helper) {
        var seen: UInt64 = 0
        while !isOver.load(ordering: .acquiring) {
            let state = waitForLoop(after: seen, helper)
            seen = Work.loop(state)
            if let number = join(seen) {
                takeChunks(as: number)
                finished.wrappingAdd(1, ordering: .releasing)
            }
        }
    }

    /// Ends ``help(as:)`` of all helpers.
    func dismiss() {
        isOver.store(true, ordering: .releasing)
        let number = Work.loop(state.load(ordering: .relaxed)) + 1
        state.store(number << 32 | Work.closed, ordering: .sequentiallyConsistent)
        for helper in helpers where helper.isAsleep.exchange(false, ordering: .sequentiallyConsistent) {
            helper.alarm.signal()
        }
    }

    /// Joins a loop if it still takes helpers; returns the helper's number there, from 1.
    private func join(_ loop: UInt64) -> Int? {
        var current = state.load(ordering: .acquiring)
        while Work.loop(current) == loop, current & Work.closed == 0, Work.joined(current) < Work.limit(current) {
            let (isJoined, found) = state.compareExchange(
                expected: current, desired: current + 1, ordering: .acquiringAndReleasing)
            if isJoined { return Int(Work.joined(current)) + 1 }
            current = found
        }
        return nil
    }

    private func takeChunks(as worker: Int) {
        guard let body else { return }
        while true {
            let chunk = next.wrappingAdd(1, ordering: .relaxed).oldValue
            if chunk >= chunks { return }
            body(worker, chunk)
        }
    }

    private func waitForLoop(after seen: UInt64, _ helper: Helper) -> UInt64 {
        for looks in 1...Work.patience {
            let current = state.load(ordering: .acquiring)
            if Work.loop(current) != seen { return current }
            Work.pause(afterLooks: looks)
        }
        helper.isAsleep.store(true, ordering: .sequentiallyConsistent)
        // A loop that was opened before the bed was seen rings no alarm, unless its thread has just found the bed.
        if Work.loop(state.load(ordering: .sequentiallyConsistent)) == seen
            || !helper.isAsleep.exchange(false, ordering: .sequentiallyConsistent)
        {
            helper.alarm.wait()
        }
        return state.load(ordering: .acquiring)
    }

    private static func pause(afterLooks looks: Int) {
        if looks % politeness == 0 { CHardware_yield() } else { CHardware_pause() }
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
