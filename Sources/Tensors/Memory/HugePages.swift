#if canImport(Glibc)
    import Glibc
#endif

/// Takes uninitialised memory from the system, 64-byte aligned; large blocks ask for huge pages.
///
/// Kernels walk dozens of streams at a time through buffers of many megabytes: with pages of 4 KiB, translating
/// addresses costs a part of every step. Where the system grants no huge pages, nothing changes.
public func allocateFloats(_ count: Int) -> UnsafeMutablePointer<Float> {
    let hugePage = 2 << 20
    let bytes = count * MemoryLayout<Float>.stride
    let isLarge = bytes >= hugePage
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: isLarge ? hugePage : 64)
    #if canImport(Glibc)
        if isLarge { madvise(memory, bytes, MADV_HUGEPAGE) }
    #endif
    return memory.bindMemory(to: Float.self, capacity: count)
}
