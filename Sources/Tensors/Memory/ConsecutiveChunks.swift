/// The chunks of several groups, one group after the other: a parallel loop over them shares the work of many small
/// groups like that of one large one.
enum ConsecutiveChunks {
    /// The group of a chunk, and which it is there.
    /// - Parameter sizes: The number of chunks of a group.
    @inline(__always)
    static func locate(_ chunk: Int, groups: Int, sizes: (Int) -> Int) -> (group: Int, index: Int) {
        var index = chunk
        for group in 0..<groups {
            let size = sizes(group)
            if index < size { return (group, index) }
            index -= size
        }
        preconditionFailure("chunk \(chunk) lies behind the last of \(groups) groups")
    }

    /// The chunks of all groups.
    @inline(__always)
    static func count(groups: Int, sizes: (Int) -> Int) -> Int {
        var count = 0
        for group in 0..<groups { count += sizes(group) }
        return count
    }
}
