/// Scales red, green and blue bytes with a triangle as wide as two pixels of the larger grid, so that shrinking averages
/// all pixels that a new one covers: what torchvision's Resize does to Pillow images.
///
/// Columns first, then rows, with bytes between the two; weights are rounded to 2⁻²², sums to the nearest byte. That is
/// Pillow's result bit for bit where it takes columns first too; recent versions take rows first for some sizes, and then
/// bytes may differ by 1.
struct BilinearResizer {
    private static let fraction: Int32 = 22
    private static let half: Int32 = 1 << 21

    private var columns = ResizeTaps(from: 1, to: 1)
    private var rows = ResizeTaps(from: 1, to: 1)
    private var between: [UInt8] = []
    private var sums: [Int32] = []

    /// Writes a picture in another size.
    /// - Parameters:
    ///   - source: `[height][width][3]`.
    ///   - found: The size of the source.
    ///   - size: The size wanted.
    ///   - destination: Receives `[height][width][3]`.
    mutating func resize(
        _ source: UnsafeBufferPointer<UInt8>, _ found: PictureSize, to size: PictureSize,
        into destination: UnsafeMutablePointer<UInt8>
    ) {
        guard let start = source.baseAddress else { return }
        if columns.input != found.width || columns.output != size.width {
            columns = ResizeTaps(from: found.width, to: size.width)
        }
        if rows.input != found.height || rows.output != size.height {
            rows = ResizeTaps(from: found.height, to: size.height)
        }
        let row = 3 * size.width
        if found.height == size.height {
            resizeColumns(start, found, destination)
        } else if found.width == size.width {
            resizeRows(start, row, destination)
        } else {
            if between.count < found.height * row { between = [UInt8](repeating: 0, count: found.height * row) }
            // Taken out while it is written and read, so that the array is not copied.
            var memory: [UInt8] = []
            swap(&memory, &between)
            memory.withUnsafeMutableBufferPointer { memory in
                guard let memory = memory.baseAddress else { return }
                resizeColumns(start, found, memory)
                resizeRows(memory, row, destination)
            }
            swap(&memory, &between)
        }
    }

    private func resizeColumns(
        _ source: UnsafePointer<UInt8>, _ found: PictureSize, _ destination: UnsafeMutablePointer<UInt8>
    ) {
        guard found.width != columns.output else {
            destination.update(from: source, count: 3 * found.pixels)
            return
        }
        columns.weights.withUnsafeBufferPointer { weights in
            for y in 0..<found.height {
                let line = source + 3 * y * found.width
                var target = destination + 3 * y * columns.output
                for x in 0..<columns.output {
                    let base = x * columns.stride
                    var tap = line + 3 * columns.starts[x]
                    var (red, green, blue) = (BilinearResizer.half, BilinearResizer.half, BilinearResizer.half)
                    for index in base..<base + columns.counts[x] {
                        red &+= weights[index] &* Int32(tap[0])
                        green &+= weights[index] &* Int32(tap[1])
                        blue &+= weights[index] &* Int32(tap[2])
                        tap += 3
                    }
                    target[0] = BilinearResizer.byte(red)
                    target[1] = BilinearResizer.byte(green)
                    target[2] = BilinearResizer.byte(blue)
                    target += 3
                }
            }
        }
    }

    private mutating func resizeRows(
        _ source: UnsafePointer<UInt8>, _ row: Int, _ destination: UnsafeMutablePointer<UInt8>
    ) {
        if sums.count < row { sums = [Int32](repeating: 0, count: row) }
        let taps = rows
        sums.withUnsafeMutableBufferPointer { sums in
            for y in 0..<taps.output {
                for place in 0..<row { sums[place] = BilinearResizer.half }
                for index in 0..<taps.counts[y] {
                    let weight = taps.weights[y * taps.stride + index]
                    let line = source + (taps.starts[y] + index) * row
                    for place in 0..<row { sums[place] &+= weight &* Int32(line[place]) }
                }
                let target = destination + y * row
                for place in 0..<row { target[place] = BilinearResizer.byte(sums[place]) }
            }
        }
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
    /// The first pixel read for each one made.
    private(set) var starts: [Int] = []
    /// How many are read for each one made.
    private(set) var counts: [Int] = []
    /// Weights in units of 2⁻²², `stride` places for each pixel made.
    private(set) var weights: [Int32]
    /// Places between the weights of neighbours.
    let stride: Int

    init(from input: Int, to output: Int) {
        self.input = input
        self.output = output
        let scale = Double(input) / Double(output)
        let reach = max(scale, 1)
        stride = 2 * Int(reach.rounded(.up)) + 1
        weights = [Int32](repeating: 0, count: output * stride)
        for place in 0..<output {
            let center = (Double(place) + 0.5) * scale
            let start = max(0, Int(center - reach + 0.5))
            let count = min(input, Int(center + reach + 0.5)) - start
            let triangle = (0..<count).map { max(0, 1 - abs((Double(start + $0) - center + 0.5) / reach)) }
            let sum = triangle.reduce(0, +)
            for (index, weight) in triangle.enumerated() {
                weights[place * stride + index] = Int32((weight / sum * Double(1 << 22)).rounded())
            }
            starts.append(start)
            counts.append(count)
        }
    }
}
