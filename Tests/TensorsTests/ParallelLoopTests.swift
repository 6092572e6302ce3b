import Synchronization
import Testing

@testable import Tensors

@Suite("Parallel loop")
struct ParallelLoopTests {
    @Test("every chunk runs exactly once", arguments: [1, 2, 4], [0, 1, 3, 1000])
    func everyChunkOnce(_ threads: Int, _ chunks: Int) {
        let workspace = Workspace()
        workspace.withScratch(max(1, chunks)) { counts in
            counts.update(repeating: 0, count: max(1, chunks))
            let loop = ParallelLoop(threads: threads)
            loop(chunks) { worker, chunk in
                counts[chunk] += worker < threads ? 1 : 100
            }
            for chunk in 0..<chunks { #expect(counts[chunk] == 1) }
        }
    }

    @Test("a worker's number is its own while it runs")
    func workersAreExclusive() {
        let state = Mutex((busy: Set<Int>(), clashes: 0))
        ParallelLoop(threads: 3)(300) { worker, chunk in
            state.withLock { if !$0.busy.insert(worker).inserted { $0.clashes += 1 } }
            var x = Double(chunk)
            for _ in 0..<2000 { x = x * 0.999 + 1 }
            state.withLock { if x < 0 || $0.busy.remove(worker) == nil { $0.clashes += 1 } }
        }
        #expect(state.withLock { $0.clashes } == 0)
    }

    @Test("background tasks give their values, in the order of their start")
    func backgroundTasks() {
        let workspace = Workspace()
        workspace.withScratch(2) { log in
            log[0] = 0
            let first = BackgroundTask { () -> Int in
                for step in 0..<1000 { log[0] += step % 2 == 0 ? 1 : 0 }
                return 7
            }
            let second = BackgroundTask { log[0] }
            #expect(second.wait() == 500)
            #expect(first.wait() == 7)
            #expect(first.wait() == 7)
        }
    }
}
