import CMPI

extension MPICommunicator {
    /// Replaces each element of `buffer`, on every rank, by its sum, largest or smallest value over all ranks.
    public func allReduce<Element: CollectiveElement>(
        _ buffer: UnsafeMutableBufferPointer<Element>, _ reduction: Reduction
    ) throws(CollectiveError) {
        for part in parts(of: buffer.count) {
            try complete("MPI_Iallreduce", count: buffer.count) { request in
                reductionAlgorithm.choose(for: part.count) {
                    MPI_Iallreduce(
                        CMPI_inPlace(), buffer.baseAddress.map { $0 + part.lowerBound }, Int32(part.count),
                        Element.elementKind.dataType, reduction.operation, immediate, &request)
                }
            }
        }
    }

    /// Starts to replace each element of `buffer`, on every rank, by its sum over all ranks, and returns at once.
    public func startAllReduceSum(
        _ buffer: UnsafeMutableBufferPointer<Float>
    ) throws(CollectiveError) -> any PendingReduction {
        var requests: [MPIRequest] = []
        for part in parts(of: buffer.count) {
            let request = try issue("MPI_Iallreduce", count: buffer.count) { request in
                reductionAlgorithm.choose(for: part.count) {
                    MPI_Iallreduce(
                        CMPI_inPlace(), buffer.baseAddress.map { $0 + part.lowerBound }, Int32(part.count),
                        CMPI_float(), CMPI_sum(), overlapped, &request)
                }
            }
            requests.append(request)
        }
        return MPIOperation(self, "MPI_Iallreduce", count: buffer.count, requests)
    }

    /// Starts to send each rank a part of `outgoing` and to take a part of `incoming` from each, and returns at once.
    public func startAllToAll(
        _ outgoing: UnsafeMutableBufferPointer<UInt8>, counts sent: [Int],
        into incoming: UnsafeMutableBufferPointer<UInt8>, counts taken: [Int]
    ) throws(CollectiveError) -> any PendingReduction {
        precondition(
            max(outgoing.count, incoming.count) <= largestCount,
            "expected at most \(largestCount) bytes, found \(max(outgoing.count, incoming.count))")
        let arguments = MPIArguments(sent, runningStarts(of: sent), taken, runningStarts(of: taken))
        let list = arguments.list
        let request = try issue("MPI_Ialltoallv", count: outgoing.count) { request in
            MPI_Ialltoallv(
                outgoing.baseAddress, list, list + size, CMPI_uint8(), incoming.baseAddress, list + 2 * size,
                list + 3 * size, CMPI_uint8(), overlapped, &request)
        }
        return MPIOperation(self, "MPI_Ialltoallv", count: outgoing.count, [request], keeping: arguments)
    }

    /// Starts to fill in the parts of `bytes` that the other ranks hold, and returns at once.
    public func startAllGather(
        _ bytes: UnsafeMutableBufferPointer<UInt8>, counts: [Int]
    ) throws(CollectiveError) -> any PendingReduction {
        precondition(bytes.count <= largestCount, "expected at most \(largestCount) bytes, found \(bytes.count)")
        let arguments = MPIArguments(counts, runningStarts(of: counts))
        let list = arguments.list
        let request = try issue("MPI_Iallgatherv", count: bytes.count) { request in
            MPI_Iallgatherv(
                CMPI_inPlace(), 0, CMPI_uint8(), bytes.baseAddress, list, list + size, CMPI_uint8(), gathered, &request)
        }
        return MPIOperation(self, "MPI_Iallgatherv", count: bytes.count, [request], keeping: arguments)
    }

    /// Copies `bytes` of rank `root` into `bytes` of all others; equally long on every rank.
    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws(CollectiveError) {
        expectMember(root)
        for part in parts(of: bytes.count) {
            try complete("MPI_Ibcast", count: bytes.count) { request in
                MPI_Ibcast(
                    bytes.baseAddress.map { $0 + part.lowerBound }, Int32(part.count), CMPI_byte(), Int32(root),
                    immediate, &request)
            }
        }
    }

    /// Returns on every rank the values of all ranks one after the other in rank order, and how many each rank gave.
    public func allGatherCounted<Element: CollectiveElement>(
        _ values: [Element]
    ) throws(CollectiveError) -> (values: [Element], counts: [Int]) {
        let counts = try allGather(count: values.count)
        let total = counts.reduce(0, +)
        var all = [Element](repeating: .zero, count: total)
        let start = counts.prefix(rank).reduce(0, +)
        all.replaceSubrange(start..<start + values.count, with: values)
        try all.withUnsafeMutableBufferPointer { (buffer) throws(CollectiveError) in
            try allGatherInPlace(buffer, counts: counts)
        }
        return (all, counts)
    }

    /// Returns on rank `root` the bytes of each rank, in rank order, and nothing on the others.
    public func gather(_ bytes: [UInt8], to root: Int) throws(CollectiveError) -> [[UInt8]] {
        expectMember(root)
        let counts = try allGather(count: bytes.count)
        if rank != root {
            var bytes = bytes
            try bytes.withUnsafeMutableBufferPointer { (buffer) throws(CollectiveError) in
                try transfer("MPI_Isend", buffer) { part, request in
                    MPI_Isend(
                        part.baseAddress, Int32(part.count), CMPI_byte(), Int32(root), 0, immediate, &request)
                }
            }
            return []
        }
        var gathered = counts.map { [UInt8](repeating: 0, count: $0) }
        gathered[root] = bytes
        for sender in 0..<size where sender != root {
            try gathered[sender].withUnsafeMutableBufferPointer { (buffer) throws(CollectiveError) in
                try transfer("MPI_Irecv", buffer) { part, request in
                    MPI_Irecv(
                        part.baseAddress, Int32(part.count), CMPI_byte(), Int32(sender), 0, immediate, &request)
                }
            }
        }
        return gathered
    }

    /// Returns when every rank has called it.
    public func barrier() throws(CollectiveError) {
        try complete("MPI_Ibarrier", count: nil) { MPI_Ibarrier(immediate, &$0) }
    }

    /// Returns the counts of all ranks in rank order.
    private func allGather(count: Int) throws(CollectiveError) -> [Int] {
        var counts = [Int64](repeating: 0, count: size)
        counts[rank] = Int64(count)
        try counts.withUnsafeMutableBufferPointer { (buffer) throws(CollectiveError) in
            try complete("MPI_Iallgather", count: size) { request in
                MPI_Iallgather(
                    CMPI_inPlace(), 0, CMPI_int64(), buffer.baseAddress, 1, CMPI_int64(), immediate, &request)
            }
        }
        return counts.map { Int($0) }
    }

    /// Fills in the parts of `buffer` that the other ranks hold; rank r's part is r's `counts` elements, in rank order.
    func allGatherInPlace<Element: CollectiveElement>(
        _ buffer: UnsafeMutableBufferPointer<Element>, counts: [Int]
    ) throws(CollectiveError) {
        let starts = runningStarts(of: counts)
        if buffer.count > largestCount {
            // MPI counts positions in 32 bits here, so each rank's part is sent on its own.
            for root in 0..<size {
                let part = UnsafeMutableBufferPointer(rebasing: buffer[starts[root]..<starts[root] + counts[root]])
                try broadcast(UnsafeMutableRawBufferPointer(part), from: root)
            }
            return
        }
        let counts = counts.map { Int32($0) }
        let positions = starts.map { Int32($0) }
        try counts.withUnsafeBufferPointer { (counts) throws(CollectiveError) in
            try positions.withUnsafeBufferPointer { (positions) throws(CollectiveError) in
                let type = Element.elementKind.dataType
                try complete("MPI_Iallgatherv", count: buffer.count) { request in
                    MPI_Iallgatherv(
                        CMPI_inPlace(), 0, type, buffer.baseAddress, counts.baseAddress, positions.baseAddress, type,
                        immediate, &request)
                }
            }
        }
    }

    /// Sends or receives `buffer`, in parts where it is too long for one message, and returns when it is done.
    private func transfer(
        _ call: String, _ buffer: UnsafeMutableBufferPointer<UInt8>,
        _ start: (UnsafeMutableBufferPointer<UInt8>, inout MPIRequest) -> Int32
    ) throws(CollectiveError) {
        for part in parts(of: buffer.count) {
            try complete(call, count: buffer.count) { request in
                start(UnsafeMutableBufferPointer(rebasing: buffer[part]), &request)
            }
        }
    }

    /// Cuts `0..<count` into ranges that one call can move; none when there is nothing to move.
    private func parts(of count: Int) -> [Range<Int>] {
        stride(from: 0, to: count, by: largestCount).map { $0..<min(count, $0 + largestCount) }
    }
}

/// Returns where each of consecutive parts starts.
func runningStarts(of counts: [Int]) -> [Int] {
    var next = 0
    return counts.map { count in
        defer { next += count }
        return next
    }
}

extension ElementKind {
    fileprivate var dataType: MPI_Datatype {
        switch self {
        case .float: CMPI_float()
        case .double: CMPI_double()
        case .int64: CMPI_int64()
        case .uint8: CMPI_uint8()
        }
    }
}

extension Reduction {
    fileprivate var operation: MPI_Op {
        switch self {
        case .sum: CMPI_sum()
        case .max: CMPI_max()
        case .min: CMPI_min()
        }
    }
}
