import CMPI

extension MPICommunicator {
    /// Sums the contributions of all ranks element by element, in an order that the number of ranks doesn't change.
    ///
    /// Works through blocks of the vector. Each rank owns a slice of a block: it is sent that slice of every shard,
    /// adds them in shard order, and the sums are gathered. A rank sends and receives about contributions + 1 times the
    /// vector, whatever the number of ranks.
    public func sumInFixedOrder(
        contributions: [UnsafeMutableBufferPointer<Float>], into result: UnsafeMutableBufferPointer<Float>
    ) throws(CollectiveError) {
        let shards = addresses(of: contributions, as: result)
        try expectEqual(contributions.count, "number of contributions", result.count, "length of contributions")
        guard let sum = result.baseAddress else { return }
        if size == 1 { return addInOrder(shards, count: result.count, into: sum) }

        // A block's longest slice, times the shards of all ranks, is what has to fit.
        let longest = max(1, min(largestScratch, largestCount) / (shards.count * size))
        for start in stride(from: 0, to: result.count, by: longest * size) {
            let block = start..<min(result.count, start + longest * size)
            try sumBlock(block, of: shards, into: sum)
        }
    }

    private func sumBlock(
        _ block: Range<Int>, of shards: [UnsafeMutablePointer<Float>], into sum: UnsafeMutablePointer<Float>
    ) throws(CollectiveError) {
        let slices = (0..<size).map { $0 * block.count / size..<($0 + 1) * block.count / size }
        let own = slices[rank]
        let sent = slices.map { $0.count * shards.count }
        let received = [Int](repeating: own.count * shards.count, count: size)
        let outgoing = block.count * shards.count
        let incoming = own.count * shards.count * size
        if scratch.count < outgoing + incoming {
            scratch = [Float](repeating: 0, count: outgoing + incoming)
        }
        try scratch.withUnsafeMutableBufferPointer { (memory) throws(CollectiveError) in
            guard let send = memory.baseAddress else { return }
            let receive = send + outgoing
            var next = send
            for slice in slices {
                for shard in shards {
                    next.update(from: shard + block.lowerBound + slice.lowerBound, count: slice.count)
                    next += slice.count
                }
            }
            try exchange(send, counts: sent, into: receive, counts: received)
            let ownShards = (0..<shards.count * size).map { receive + $0 * own.count }
            addInOrder(ownShards, count: own.count, into: sum + block.lowerBound + own.lowerBound)
        }
        try allGatherInPlace(
            UnsafeMutableBufferPointer(start: sum + block.lowerBound, count: block.count), counts: slices.map(\.count))
    }

    /// Sends each rank its part of `send` and receives from each rank a part of `receive`, both in rank order.
    private func exchange(
        _ send: UnsafeMutablePointer<Float>, counts sent: [Int],
        into receive: UnsafeMutablePointer<Float>, counts received: [Int]
    ) throws(CollectiveError) {
        let total = sent.reduce(0, +)
        // The four lists of one array: MPI may read them until the exchange has completed.
        let lists = (sent + runningStarts(of: sent) + received + runningStarts(of: received)).map { Int32($0) }
        try lists.withUnsafeBufferPointer { (lists) throws(CollectiveError) in
            guard let list = lists.baseAddress else { return }
            try complete("MPI_Ialltoallv", count: total) { request in
                MPI_Ialltoallv(
                    send, list, list + size, CMPI_float(),
                    receive, list + 2 * size, list + 3 * size, CMPI_float(), immediate, &request)
            }
        }
    }
}
