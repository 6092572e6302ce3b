/// Scales bytes with a triangle as wide as two pixels of the larger grid, so that shrinking averages all pixels that a new
/// one covers: what torchvision's Resize does to Pillow images.
///
/// Columns first, then rows, with bytes between the two; weights are rounded to 2⁻²², sums to the nearest byte. That is
/// Pillow's result bit for bit where it takes columns first too; recent versions take rows first for some sizes, and then
/// bytes may differ by 1. Memory depends on the size that is made, and on the shape of the source hardly: of the rows
/// between the two only those that the next row is made of are kept.
struct BilinearResizer {
    private static let fraction: Int32 = 22
    private static let half: Int32 = 1 << 21

    private var columns = ResizeTaps(from: 1, to: 1, keeping: 0..<1)
    private var rows = ResizeTaps(from: 1, to: 1, keeping: 0..<1)
    private var between: [UInt8] = []
    private var sums: [Int32] = []

    /// Writes a part of a picture in another size.
    /// - Parameters:
    ///   - picture: `[height][width][channels]`.
    ///   - width: The pixels of a row of the picture.
    ///   - channels: The bytes of a pixel.
    ///   - scaling: The part, its new size, and what of that is wanted.
    ///   - destination: Receives `[height][width][channels]` of what is wanted.
    mutating func resize(
        _ picture: UnsafePointer<UInt8>, width: Int, channels: Int, _ scaling: Scaling,
        into destination: UnsafeMutablePointer<UInt8>
    ) {
        let (source, kept) = (scaling.source, scaling.kept)
        columns.set(from: source.size.width, to: scaling.scaled.width, keeping: kept.columns)
        rows.set(from: source.size.height, to: scaling.scaled.height, keeping: kept.rows)
        let row = channels * kept.size.width
        let capacity = min(source.size.height, 2 * rows.mostCount)
        if between.count < capacity * row { between = [UInt8](repeating: 0, count: capacity * row) }
        if sums.count < row { sums = [Int32](repeating: 0, count: row) }
        let (columns, rows) = (columns, rows)
        between.withUnsafeMutableBufferPointer { between in
            sums.withUnsafeMutableBufferPointer { sums in
                guard let between = between.baseAddress, let sums = sums.baseAddress else { return }
                // The rows of the source that lie in `between`.
                var held = rows.starts[0]..<rows.starts[0]
                for y in 0..<kept.size.height {
                    let wanted = rows.starts[y]..<rows.starts[y] + rows.counts[y]
                    if wanted.upperBound - held.lowerBound > capacity {
                        let left = max(0, held.upperBound - wanted.lowerBound)
                        let start = between + (wanted.lowerBound - held.lowerBound) * row
                        if left > 0 { between.update(from: start, count: left * row) }
                        held = wanted.lowerBound..<wanted.lowerBound + left
                    }
                    for next in held.upperBound..<max(held.upperBound, wanted.upperBound) {
                        let line = picture + ((source.top + next) * width + source.left) * channels
                        Self.resizeColumns(line, channels, columns, between + (next - held.lowerBound) * row)
                    }
                    held = held.lowerBound..<max(held.upperBound, wanted.upperBound)
                    let lines = between + (wanted.lowerBound - held.lowerBound) * row
                    Self.mixRows(lines, row, rows, y, sums, destination + y * row)
                }
            }
        }
    }

    private static func resizeColumns(
        _ line: UnsafePointer<UInt8>, _ channels: Int, _ taps: ResizeTaps, _ destination: UnsafeMutablePointer<UInt8>
    ) {
        guard taps.input != taps.output else {
            let start = line + taps.kept.lowerBound * channels
            return destination.update(from: start, count: taps.kept.count * channels)
        }
        taps.weights.withUnsafeBufferPointer { weights in
            var target = destination
            for x in 0..<taps.kept.count {
                let base = x * taps.stride
                let start = line + taps.starts[x] * channels
                for channel in 0..<channels {
                    var sum = half
                    var tap = start + channel
                    for index in base..<base + taps.counts[x] {
                        sum &+= weights[index] &* Int32(tap.pointee)
                        tap += channels
                    }
                    target.pointee = byte(sum)
                    target += 1
                }
            }
        }
    }

    /// Makes one row of the result of the rows that begin at `lines`.
    private static func mixRows(
        _ lines: UnsafePointer<UInt8>, _ row: Int, _ taps: ResizeTaps, _ y: Int, _ sums: UnsafeMutablePointer<Int32>,
        _ destination: UnsafeMutablePointer<UInt8>
    ) {
        guard taps.input != taps.output else { return destination.update(from: lines, count: row) }
        for place in 0..<row { sums[place] = half }
        for index in 0..<taps.counts[y] {
            let weight = taps.weights[y * taps.stride + index]
            let line = lines + index * row
            for place in 0..<row { sums[place] &+= weight &* Int32(line[place]) }
        }
        for place in 0..<row { destination[place] = byte(sums[place]) }
    }

    private static func byte(_ sum: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: min(max(sum >> fraction, 0), 255))
    }
}

/// The pixels of a line that make up each pixel of a longer or shorter one, and their weights.
struct ResizeTaps {
    /// Pixels of the line that is read.
    let input: Int
    /// Pixels of the line that is made.
    let output: Int
    /// Which of them are made.
    let kept: Range<Int>
    /// The first pixel read for each one made.
    private(set) var starts: [Int] = []
    /// How many are read for each one made.
    private(set) var counts: [Int] = []
    /// Weights in units of 2⁻²², `stride` places for each pixel made.
    private(set) var weights: [Int32]
    /// Places between the weights of neighbours.
    let stride: Int

    /// The most pixels that are read for one.
    var mostCount: Int { counts.max() ?? 0 }

    init(from input: Int, to output: Int, keeping kept: Range<Int>) {
        self.input = input
        self.output = output
        self.kept = kept
        guard input != output else {
            // Every pixel is its own.
            (starts, counts, weights, stride) = (Array(kept), kept.map { _ in 1 }, kept.map { _ in 1 << 22 }, 1)
            return
        }
        let scale = Double(input) / Double(output)
        let reach = max(scale, 1)
        stride = 2 * Int(reach.rounded(.up)) + 1
        weights = [Int32](repeating: 0, count: kept.count * stride)
        for (position, place) in kept.enumerated() {
            let center = (Double(place) + 0.5) * scale
            let start = max(0, Int(center - reach + 0.5))
            let count = min(input, Int(center + reach + 0.5)) - start
            let triangle = (0..<count).map { max(0, 1 - abs((Double(start + $0) - center + 0.5) / reach)) }
            let sum = triangle.reduce(0, +)
            for (index, weight) in triangle.enumerated() {
                weights[position * stride + index] = Int32((weight / sum * Double(1 << 22)).rounded())
            }
            starts.append(start)
            counts.append(count)
        }
    }

    /// Becomes the taps of other lines, unless these are the same.
    mutating func set(from input: Int, to output: Int, keeping kept: Range<Int>) {
        if input != self.input || output != self.output || kept != self.kept {
            self = ResizeTaps(from: input, to: output, keeping: kept)
        }
    }
}
