/// The arenas of a network's ``Parameters`` while they are written to; see ``Parameters/update(_:_:)``.
public struct WritableParameters {
    /// The parameter arena.
    public let values: UnsafeMutableBufferPointer<Float>
    /// The arena of running statistics.
    public let statistics: UnsafeMutableBufferPointer<Float>

    /// The elements of one slot, in memory layout.
    public func values(of slot: Slot) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: (slot.isStatistic ? statistics : values)[slot.range])
    }
}
