import CHardware

/// Memory that will be read or written soon, handed out in runs, so that it is brought into the second cache beside products.
struct Prefetch {
    /// Floats from an address on; none where the count is not above 0.
    struct Area {
        fileprivate var start: FloatPointer?
        fileprivate var count: Int

        @inline(__always)
        init(_ start: FloatPointer? = nil, count: Int = 0) {
            self.start = start
            self.count = start == nil ? 0 : count
        }
    }

    private var current: Area
    private var second: Area
    private var third: Area
    private var fourth: Area

    /// Takes up to four areas, which are handed out one after the other.
    @inline(__always)
    init(_ first: Area = Area(), _ second: Area = Area(), _ third: Area = Area(), _ fourth: Area = Area()) {
        current = first
        self.second = second
        self.third = third
        self.fourth = fourth
    }

    /// Returns where the next `count` floats begin, the last of which may lie behind an area; nil where all were handed out.
    @inline(__always)
    mutating func take(_ count: Int) -> FloatPointer? {
        while current.count <= 0 {
            if second.count <= 0, third.count <= 0, fourth.count <= 0 { return nil }
            (current, second, third, fourth) = (second, third, fourth, Area())
        }
        let start = current.start
        current.start = start.map { $0 + count }
        current.count &-= count
        return start
    }
}
