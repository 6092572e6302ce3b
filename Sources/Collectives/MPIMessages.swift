import CMPI

extension MPICommunicator {
    /// Sends a message to another rank, and does not wait until it is there.
    public func post(_ message: [UInt8], to rank: Int) throws(CollectiveError) {
        precondition(rank != self.rank, "expected another rank than \(rank)")
        expectMember(rank)
        precondition(message.count <= Int(Int32.max), "expected at most \(Int32.max) bytes, found \(message.count)")
        try forgetWhatHasLeft()
        let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: message.count)
        _ = bytes.initialize(from: message)
        let request = try issue("MPI_Isend", count: message.count) {
            MPI_Isend(bytes.baseAddress, Int32(message.count), CMPI_byte(), Int32(rank), 0, messages, &$0)
        }
        outgoing.append(OutgoingMessage(request: request, bytes: bytes))
    }

    /// Returns a message that another rank has posted and that is here, and takes it away; nil where there is none.
    public func collect() throws(CollectiveError) -> (message: [UInt8], from: Int)? {
        if size == 1 { return nil }
        try forgetWhatHasLeft()
        var (found, source, count): (Int32, Int32, Int32) = (0, -1, 0)
        try check(CMPI_probeBytes(messages, &found, &source, &count), "MPI_Iprobe", nil)
        guard found != 0 else { return nil }
        var message = [UInt8](repeating: 0, count: Int(count))
        try message.withUnsafeMutableBufferPointer { (buffer) throws(CollectiveError) in
            try complete("MPI_Irecv", count: buffer.count) {
                MPI_Irecv(buffer.baseAddress, count, CMPI_byte(), source, 0, messages, &$0)
            }
        }
        return (message, Int(source))
    }

    /// Asks `isDone` again and again until it says so, lets MPI work meanwhile and others have the core.
    public func wait(for what: String, until isDone: () throws -> Bool) throws {
        var failure: (any Error)?
        try poll(what, count: nil) { () throws(CollectiveError) in
            do { return try isDone() } catch {
                failure = error
                return true
            }
        }
        if let failure { throw failure }
    }

    /// Gives back the memory of messages that have left.
    private func forgetWhatHasLeft() throws(CollectiveError) {
        var rest: [OutgoingMessage] = []
        for var message in outgoing {
            if try isComplete(&message.request, "MPI_Isend", message.bytes.count) {
                message.bytes.deallocate()
            } else {
                rest.append(message)
            }
        }
        outgoing = rest
    }
}

/// A message under way, in memory that MPI may read until the request has completed.
struct OutgoingMessage {
    var request: MPIRequest
    let bytes: UnsafeMutableBufferPointer<UInt8>
}
