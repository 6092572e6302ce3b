import Tensors

/// What the Square attack adds to a square of an image in l2: two halves of opposite sign, each highest in its middle
/// and falling off in rings, of norm 1 (arXiv:1912.00049, section 4.2).
struct SquarePattern {
    let side: Int
    /// Rows of `side` elements each: the upper half is above 0.
    let elements: [Float]
    /// The same with rows for columns.
    let transposed: [Float]

    init(side: Int) {
        self.side = side
        let upper = Self.rings(rows: side / 2, columns: side)
        let lower = Self.rings(rows: side - side / 2, columns: side)
        let elements = Self.normalized(upper + lower.map { -$0 }).map { Float($0) }
        self.elements = elements
        transposed = elements.indices.map { elements[$0 % side * side + $0 / side] }
    }

    /// Sums of rectangles around the middle: the k-th, from 1, reaches k - 1 rows and columns from it and adds 1 / k².
    private static func rings(rows: Int, columns: Int) -> [Double] {
        let (middleRow, middleColumn) = (rows / 2, columns / 2)
        var result = [Double](repeating: 0, count: rows * columns)
        for reach in 0...max(middleRow, middleColumn) {
            for row in max(middleRow - reach, 0)..<min(middleRow + reach + 1, rows) {
                for column in max(middleColumn - reach, 0)..<min(middleColumn + reach + 1, columns) {
                    result[row * columns + column] += 1 / Double((reach + 1) * (reach + 1))
                }
            }
        }
        return normalized(result)
    }

    private static func normalized(_ values: [Double]) -> [Double] {
        let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return values.map { $0 / length }
    }

    /// Writes a first candidate: patterns side by side, five a row and a column, each channel of each with a sign of its
    /// own.
    static func grid(
        around center: Tensor, into candidate: Tensor, _ image: Int, _ epsilon: Float, _ stream: inout RandomStream
    ) {
        let side = max(1, min(center.height, center.width) / 5)
        let pattern = SquarePattern(side: side)
        let (rows, columns) = (center.height / side, center.width / side)
        let (top, left) = ((center.height - rows * side) / 2, (center.width - columns * side) / 2)
        center.workspace.withScratch(center.imageSize) { change in
            change.update(repeating: 0, count: center.imageSize)
            for tile in 0..<rows * columns {
                let window = Window(
                    row: top + tile / columns * side, column: left + tile % columns * side, side: side)
                let (values, signs) = pattern.draw(channels: center.channels, &stream)
                for (place, pixel) in window.pixels(center).enumerated() {
                    for (channel, sign) in signs.enumerated() {
                        change[pixel * center.channels + channel] = sign * values[place]
                    }
                }
            }
            write(change, around: center, into: candidate, image, epsilon)
        }
    }

    /// Writes a candidate: in one window of the best change the pattern is added, and the sum gets the length that was
    /// there, that of another window, which is emptied, and what the radius leaves; then all of it is brought to the radius.
    func apply(
        to best: Tensor, around center: Tensor, into candidate: Tensor, _ image: Int, _ epsilon: Float,
        _ stream: inout RandomStream
    ) {
        let window = Window.draw(side: side, center, &stream)
        let other = Window.draw(side: side, center, &stream)
        let (values, signs) = draw(channels: center.channels, &stream)
        let (pixels, emptied) = (window.pixels(center), other.pixels(center, outside: window))
        let (first, count, channels) = (image * center.imageSize, center.imageSize, center.channels)
        center.workspace.withScratch(count) { change in
            for index in 0..<count { change[index] = best.pointer[first + index] - center.pointer[first + index] }
            let length = ImageVector(change, count: count).length(.l2)
            let room = max(epsilon * epsilon - length * length, 0) / Float(channels)
            for channel in 0..<channels {
                let plane = change + channel
                func squares(_ pixels: [Int]) -> Float {
                    var sum: Float = 0
                    for pixel in pixels { sum += plane[pixel * channels] * plane[pixel * channels] }
                    return sum
                }
                let old = squares(pixels)
                let budget = room + old + squares(emptied)
                let factor = 1 / (1e-12 + old.squareRoot())
                for (place, pixel) in pixels.enumerated() {
                    plane[pixel * channels] = signs[channel] * values[place] + factor * plane[pixel * channels]
                }
                let scale = budget.squareRoot() / (1e-12 + squares(pixels).squareRoot())
                for pixel in pixels { plane[pixel * channels] *= scale }
                for pixel in emptied { plane[pixel * channels] = 0 }
            }
            Self.write(change, around: center, into: candidate, image, epsilon)
        }
    }

    /// The pattern one way or the other, and a sign for each channel.
    private func draw(channels: Int, _ stream: inout RandomStream) -> (values: [Float], signs: [Float]) {
        (stream.sign() < 0 ? transposed : elements, (0..<channels).map { _ in stream.sign() })
    }

    /// Writes the image that a change of length epsilon along `change` leads to, within [0, 1].
    private static func write(
        _ change: UnsafePointer<Float>, around center: Tensor, into candidate: Tensor, _ image: Int, _ epsilon: Float
    ) {
        let first = image * center.imageSize
        let factor = epsilon / (1e-12 + ImageVector(change, count: center.imageSize).length(.l2))
        for index in 0..<center.imageSize {
            candidate.pointer[first + index] = min(max(center.pointer[first + index] + factor * change[index], 0), 1)
        }
    }
}
