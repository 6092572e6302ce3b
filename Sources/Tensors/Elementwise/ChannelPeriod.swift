/// Walks NHWC elements sixteen at a time for any number of channels.
///
/// The pattern of channels repeats every lcm(channels, 16) floats, so a per-channel value becomes a short list of
/// vectors and no loop needs to know whether 16 divides the channels.
struct ChannelPeriod {
    let channels: Int
    /// Floats in a period: lcm(channels, 16).
    let floats: Int

    init(_ channels: Int) {
        self.channels = channels
        let common = 1 << min(4, channels.trailingZeroBitCount)
        floats = channels * (lanes / common)
    }

    /// Vectors in a period.
    var vectorCount: Int { floats / lanes }
    /// Pixels in a period.
    var pixels: Int { floats / channels }

    /// Repeats a per-channel list over one period.
    func expanded(_ perChannel: UnsafePointer<Float>) -> [Vector] {
        var result = [Vector](repeating: .zero, count: vectorCount)
        for index in 0..<floats { result[index / lanes][index % lanes] = perChannel[index % channels] }
        return result
    }

    /// Repeats a per-channel list over one period, into `result` of ``vectorCount`` vectors.
    func expand(_ perChannel: UnsafePointer<Float>, into result: VectorPointer) {
        let values = UnsafeMutableRawPointer(result).assumingMemoryBound(to: Float.self)
        for copy in 0..<pixels { (values + copy * channels).update(from: perChannel, count: channels) }
    }

    /// Adds up the period's copies of each channel.
    func fold(_ periodSums: UnsafePointer<Float>, into perChannel: FloatPointer) {
        for channel in 0..<channels {
            var sum: Float = 0
            for copy in 0..<pixels { sum += periodSums[copy * channels + channel] }
            perChannel[channel] = sum
        }
    }

    /// Calls `body(offset, vector, count)` for each run of 16 elements (the last may have fewer): `offset` counts
    /// from the beginning, `vector` is the place in the period.
    @inline(__always)
    func forEachVector(elements: Int, _ body: (_ offset: Int, _ vector: Int, _ count: Int) -> Void) {
        var offset = 0
        while offset + floats <= elements {
            for vector in 0..<vectorCount { body(offset + vector * lanes, vector, lanes) }
            offset += floats
        }
        var vector = 0
        while offset + lanes <= elements {
            body(offset, vector, lanes)
            offset += lanes
            vector += 1
        }
        if offset < elements { body(offset, vector, elements - offset) }
    }

    /// Cuts `elements` into chunks fixed by the shape, whole periods each, and calls `body(chunk, start, count)` for
    /// each in the loop.
    func chunked(
        _ loop: ParallelLoop, elements: Int, _ body: (_ chunk: Int, _ start: Int, _ count: Int) -> Void
    ) {
        let size = chunkSize
        loop(chunks(elements: elements)) { _, chunk in
            body(chunk, chunk * size, min(size, elements - chunk * size))
        }
    }

    /// The number of chunks that ``chunked(_:elements:_:)`` makes.
    func chunks(elements: Int) -> Int { (elements + chunkSize - 1) / chunkSize }

    private var chunkSize: Int { (65_536 / floats + 1) * floats }
}
