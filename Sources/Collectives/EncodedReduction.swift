/// How the floats of a gradient arena are written for other ranks, in fewer bytes than they take.
///
/// What is written of a run of elements may depend on where it lies in the arena.
public protocol GradientCodec: AnyObject {
    /// Bytes that a run of elements takes, the same on every rank.
    func size(of range: Range<Int>) -> Int

    /// Writes the elements of `range`, which begin at `values`.
    /// - Parameter isSum: Whether they are sums over all ranks, rather than this rank's own.
    func encode(
        _ values: UnsafePointer<Float>, _ range: Range<Int>, into bytes: UnsafeMutablePointer<UInt8>, isSum: Bool)

    /// Reads what was written of the elements of `range`.
    func decode(_ bytes: UnsafePointer<UInt8>, _ range: Range<Int>, into values: UnsafeMutablePointer<Float>)
}

/// The sum of one bucket of a gradient arena over all ranks, encoded on its way.
///
/// Each rank owns a slice of the bucket: it is sent that slice by every rank, adds what it reads in rank order, in single
/// precision, and sends the sum, encoded once more, to all. So a rank sends and takes what a ring would of floats, times what an
/// element is shorter; and all ranks, the owner too, read the same bytes: they have the same bits.
final class EncodedReduction: PendingReduction {
    private enum Phase { case idle, scattering, gathering }

    /// Bytes that this rank sends for one sum.
    let bytesSent: Int

    private let range: Range<Int>
    private let arena: UnsafeMutableBufferPointer<Float>
    private let codec: any GradientCodec
    private let communicator: any Communicator
    /// The slices of all ranks, and the bytes that each takes.
    private let slices: [Range<Int>]
    private let sizes: [Int]
    private let outgoing: UnsafeMutableBufferPointer<UInt8>
    private let incoming: UnsafeMutableBufferPointer<UInt8>
    private let read: UnsafeMutablePointer<Float>
    private var phase = Phase.idle
    private var operation: (any PendingReduction)?

    init(
        _ range: Range<Int>, of arena: UnsafeMutableBufferPointer<Float>, _ codec: any GradientCodec,
        _ communicator: any Communicator
    ) {
        self.range = range
        self.arena = arena
        self.codec = codec
        self.communicator = communicator
        let (size, rank) = (communicator.size, communicator.rank)
        slices = (0..<size).map {
            range.lowerBound + $0 * range.count / size..<range.lowerBound + ($0 + 1) * range.count / size
        }
        sizes = slices.map(codec.size(of:))
        outgoing = .allocate(capacity: sizes.reduce(0, +))
        incoming = .allocate(capacity: sizes[rank] * size)
        read = .allocate(capacity: max(1, slices[rank].count * size))
        bytesSent = outgoing.count - sizes[rank] + sizes[rank] * (size - 1)
    }

    deinit {
        outgoing.deallocate()
        incoming.deallocate()
        read.deallocate()
    }

    /// Begins a sum; until it is there, nobody may touch the bucket.
    func start() throws(CollectiveError) {
        let rank = communicator.rank
        write(slices, isSum: false)
        operation = try communicator.startAllToAll(
            outgoing, counts: sizes, into: incoming,
            counts: [Int](repeating: sizes[rank], count: communicator.size))
        phase = .scattering
    }

    func test() throws(CollectiveError) -> Bool {
        guard let operation else { return true }
        if try !operation.test() { return false }
        try advance()
        return self.operation == nil
    }

    func wait() throws(CollectiveError) {
        while let operation {
            try operation.wait()
            try advance()
        }
    }

    private func advance() throws(CollectiveError) {
        switch phase {
        case .scattering:
            addOwnSlice()
            operation = try communicator.startAllGather(outgoing, counts: sizes)
            phase = .gathering
        case .gathering, .idle:
            var place = 0
            for (slice, size) in zip(slices, sizes) {
                if let bytes = outgoing.baseAddress, let values = arena.baseAddress {
                    codec.decode(bytes + place, slice, into: values + slice.lowerBound)
                }
                place += size
            }
            operation = nil
            phase = .idle
        }
    }

    /// Adds what all ranks have sent of this rank's slice, and encodes the sum.
    private func addOwnSlice() {
        let rank = communicator.rank
        let own = slices[rank]
        guard !own.isEmpty, let bytes = incoming.baseAddress, let values = arena.baseAddress else { return }
        let contributions = (0..<communicator.size).map { read + $0 * own.count }
        for (index, contribution) in contributions.enumerated() {
            codec.decode(bytes + index * sizes[rank], own, into: contribution)
        }
        addInOrder(contributions, count: own.count, into: values + own.lowerBound)
        write([own], isSum: true)
    }

    /// Encodes slices to their places.
    private func write(_ chosen: [Range<Int>], isSum: Bool) {
        var place = 0
        for (slice, size) in zip(slices, sizes) {
            if chosen.contains(slice), let bytes = outgoing.baseAddress, let values = arena.baseAddress {
                codec.encode(values + slice.lowerBound, slice, into: bytes + place, isSum: isSum)
            }
            place += size
        }
    }
}
