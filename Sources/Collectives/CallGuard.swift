import Foundation
import Synchronization

/// Ends a process that one call keeps for too long.
///
/// MPI starts and ends on all ranks together, in calls that can't be polled: a rank that stands still keeps the others there
/// for ever. So a thread looks at the clock meanwhile. It bears the call's name, by which ranks of the same host see who has
/// got how far.
final class CallGuard: Sendable {
    private let isDone = Atomic<Bool>(false)

    /// What the system keeps of a thread's name.
    static func threadName(_ call: String) -> String { String(call.prefix(15)) }

    /// Begins to guard a call.
    /// - Parameters:
    ///   - call: The name of the call.
    ///   - limit: Called on another thread when so many seconds have passed and ``end()`` was not called.
    init(_ call: String, seconds: Double, limit: @escaping @Sendable (CallGuard) -> Void) {
        let end = ContinuousClock.now + .seconds(seconds)
        Thread.detachNewThread { [self] in
            // Foundation names a thread only if it knows it by now.
            try? Self.threadName(call).write(toFile: "/proc/thread-self/comm", atomically: false, encoding: .utf8)
            if waits(until: end) { limit(self) }
        }
    }

    /// Waits until a time and returns whether the call is still under way.
    func waits(until end: ContinuousClock.Instant) -> Bool {
        while !isDone.load(ordering: .relaxed) {
            if ContinuousClock.now >= end { return true }
            usleep(10_000)
        }
        return false
    }

    /// Says that the call has returned.
    func end() { isDone.store(true, ordering: .relaxed) }
}

/// What bounds the calls of MPI that can't be polled.
struct CallLimit: Sendable {
    /// The job.
    let launch: LaunchEnvironment
    /// How long a call may take; nil means for ever.
    let seconds: Double?
    /// Says what went wrong and ends the process.
    let end: @Sendable (CollectiveError) -> Never

    /// Makes a call whose ranks wait for each other.
    func bound<Result>(_ call: String, _ body: () -> Result) -> Result {
        guard let seconds else { return body() }
        let start = ContinuousClock.now
        let watch = CallGuard(call, seconds: seconds) { [launch, end] watch in
            let name = CallGuard.threadName(call)
            let ranks = RankProcess.all(of: launch, with: name)
            let standing = ranks.filter { $0.isStopped || !$0.threads.contains(name) }
            // Who knows most speaks first, and takes the job down with it: one that sees who stands still, the lowest of them.
            let speaker = ranks.first { !standing.contains($0) }?.rank
            let patience = standing.isEmpty ? 6.0 : speaker == launch.rank ? 0 : 4
            guard watch.waits(until: .now + .seconds(patience)) else { return }
            end(
                CollectiveError(
                    call: call, rank: launch.rank, size: launch.size ?? 1, host: currentHostName(), count: nil,
                    cause: .noReturn(
                        elapsedSeconds: (ContinuousClock.now - start) / .seconds(1),
                        standing: standing.map {
                            StandingRank(rank: $0.rank, process: $0.process, isStopped: $0.isStopped)
                        },
                        elsewhere: (0..<(launch.size ?? 0)).filter { rank in !ranks.contains { $0.rank == rank } })))
        }
        defer { watch.end() }
        return body()
    }
}
