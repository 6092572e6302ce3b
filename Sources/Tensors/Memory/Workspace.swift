/// Reusable memory of one rank: tensors take blocks from it and give them back when their last reference goes.
///
/// A block is never cleared or returned to the system, so a steady-state step allocates nothing and faults no page.
/// Not thread-safe: tensors are made and dropped on the main thread, outside of parallel loops.
public final class Workspace {
    /// The parallel loop of the rank that owns this memory.
    public let loop: ParallelLoop
    private var free: [Int: [UnsafeMutablePointer<Float>]] = [:]
    private var inUse = 0

    /// The most bytes that were handed out at the same time.
    public private(set) var peakBytes = 0
    /// Bytes taken from the system, handed out or not.
    public private(set) var reservedBytes = 0
    /// How many blocks were taken from the system, handed out or not, by their size in floats.
    package private(set) var blocks: [Int: Int] = [:]

    /// Makes an empty workspace for a rank with `threads` threads.
    public init(threads: Int = 1) {
        loop = ParallelLoop(threads: threads)
    }

    deinit {
        for blocks in free.values {
            for block in blocks { block.deallocate() }
        }
    }

    /// Rounds a request up to one of eight sizes an octave, so that batches whose sizes vary reuse each other's blocks.
    static func sizeClass(_ count: Int) -> Int {
        let wanted = max(count, 256)
        let granule = 1 << max(0, Int.bitWidth - 1 - wanted.leadingZeroBitCount - 3)
        return (wanted + granule - 1) / granule * granule
    }

    func take(_ count: Int) -> UnsafeMutablePointer<Float> {
        let size = Workspace.sizeClass(count)
        inUse += size * 4
        peakBytes = max(peakBytes, inUse)
        if let block = free[size]?.popLast() { return block }
        reservedBytes += size * 4
        blocks[size, default: 0] += 1
        return allocateFloats(size)
    }

    func giveBack(_ block: UnsafeMutablePointer<Float>, _ count: Int) {
        let size = Workspace.sizeClass(count)
        inUse -= size * 4
        free[size, default: []].append(block)
    }

    /// The bytes that a workspace which has the blocks `present` would take from the system to have `wanted` too.
    package static func bytes(of wanted: [Int: Int], beside present: [Int: Int]) -> Int {
        wanted.reduce(0) { sum, blocks in
            sum + max(0, blocks.value - present[blocks.key, default: 0]) * blocks.key * 4
        }
    }

    /// Calls `body` with uninitialised scratch memory of `count` floats, 64-byte aligned.
    public func withScratch<Result>(
        _ count: Int, _ body: (UnsafeMutablePointer<Float>) throws -> Result
    ) rethrows -> Result {
        let block = take(count)
        defer { giveBack(block, count) }
        return try body(block)
    }
}
