import Testing

@testable import Tensors

@Suite("Pooling of windows")
struct WindowPoolingTests {
    static let shapes = [[2, 4, 4, 16], [3, 3, 5, 5], [1, 3, 3, 3], [0, 4, 3, 8], [2, 6, 3, 40]]

    /// Means of the pixels under each tap, in Double.
    private func direct(_ x: Tensor, _ kernel: Int) -> [Double] {
        let (rows, columns) = (x.height - kernel + 1, x.width - kernel + 1)
        var result: [Double] = []
        for image in 0..<x.images {
            for tap in 0..<kernel * kernel {
                for channel in 0..<x.channels {
                    var sum = 0.0
                    for row in 0..<rows {
                        for column in 0..<columns {
                            let pixel = (row + tap / kernel) * x.width + column + tap % kernel
                            sum += Double(x.pointer[image * x.imageSize + pixel * x.channels + channel])
                        }
                    }
                    result.append(sum / Double(rows * columns))
                }
            }
        }
        return result
    }

    @Test("the mean of what each tap meets", arguments: shapes, [1, 3])
    func average(_ shape: [Int], _ kernel: Int) {
        let workspace = Workspace(threads: 2)
        let x = random(workspace, shape[0], shape[1], shape[2], shape[3], 1)
        let means = Pooling.windowAverage(x, kernel: kernel)
        #expect([means.images, means.pixels, means.channels] == [shape[0], 1, kernel * kernel * shape[3]])
        for (found, exact) in zip(means.elements, direct(x, kernel)) { #expect(abs(Double(found) - exact) < 1e-6) }
    }

    @Test("backward is the transpose; it adds and masks", arguments: shapes, [1, 3])
    func backward(_ shape: [Int], _ kernel: Int) {
        let workspace = Workspace(threads: 2)
        let gradient = random(workspace, shape[0], 1, 1, kernel * kernel * shape[3], 1)
        let x = random(workspace, shape[0], shape[1], shape[2], shape[3], 2)
        let mask = random(workspace, shape[0], shape[1], shape[2], shape[3], 3, rectified: true)
        let plain = Tensor(like: x)
        Pooling.windowAverageBackward(gradient, kernel: kernel, into: plain)
        let means = direct(x, kernel)
        let there = zip(means, gradient.elements).reduce(0) { $0 + $1.0 * Double($1.1) }
        let back = zip(x.elements, plain.elements).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        #expect(abs(there - back) < 1e-5 * (1 + abs(there)))
        let sum = gradient.elements.reduce(0) { $0 + Double($1) }
        #expect(abs(plain.elements.reduce(0) { $0 + Double($1) } - sum) < 1e-4)

        let dx = Tensor(like: x)
        dx.copy(from: x)
        Pooling.windowAverageBackward(gradient, kernel: kernel, mask: mask, adds: true, into: dx)
        for index in 0..<dx.count {
            let value = mask.pointer[index] > 0 ? x.pointer[index] + plain.pointer[index] : 0
            #expect(abs(dx.pointer[index] - value) <= 1e-6)
        }
    }
}

@Suite("Max-pooling")
struct MaxPoolingTests {
    static let shapes = [[2, 8, 8, 16], [3, 5, 7, 5], [1, 1, 1, 3], [0, 4, 4, 8], [2, 6, 2, 40]]
    static let cases = [MaxPooling.stem, .halving].flatMap { pooling in
        // A window without padding needs a map of its size.
        shapes.filter { pooling.padding > 0 || min($0[1], $0[2]) >= pooling.kernel }.map { (pooling, $0) }
    }

    @Test("the largest under each window, and the gradient goes to it", arguments: cases, [1, 2])
    func values(_ test: (pooling: MaxPooling, shape: [Int]), _ threads: Int) {
        let (pooling, shape) = test
        let workspace = Workspace(threads: threads)
        let x = random(workspace, shape[0], shape[1], shape[2], shape[3], 1)
        // Equal neighbours, as behind a ReLU: the first one wins.
        for index in 0..<x.count { x.pointer[index] = (x.pointer[index] * 2).rounded() }
        let y = pooling.forward(x)
        let sizes = (1...2).map { pooling == .stem ? (shape[$0] - 1) / 2 + 1 : shape[$0] / 2 }
        #expect([y.height, y.width] == sizes)
        let dy = random(workspace, y.images, y.height, y.width, y.channels, 2)
        var expected = [Float](repeating: 0, count: x.count)
        for place in 0..<y.count {
            let (pixel, channel) = (place / y.channels % y.pixels, place % y.channels)
            let image = place / y.imageSize
            let (top, left) = (pixel / y.width * 2 - pooling.padding, pixel % y.width * 2 - pooling.padding)
            var best: Int?
            for row in top..<top + pooling.kernel where (0..<x.height).contains(row) {
                for column in left..<left + pooling.kernel where (0..<x.width).contains(column) {
                    let index = image * x.imageSize + (row * x.width + column) * x.channels + channel
                    if best.map({ x.pointer[index] > x.pointer[$0] }) ?? true { best = index }
                }
            }
            guard let best else { continue }
            #expect(y.pointer[place] == x.pointer[best])
            expected[best] += dy.pointer[place]
        }
        let dx = pooling.backward(dy, x, y)
        for index in 0..<dx.count { #expect(abs(dx.pointer[index] - expected[index]) < 1e-5) }
    }

    @Test("a map smaller than the window has no output")
    func tooSmall() {
        #expect(MaxPooling.halving.outputSize(1) == 0 && MaxPooling.halving.outputSize(0) == 0)
        #expect(MaxPooling.stem.outputSize(1) == 1)
    }

    @Test("a NaN under a window is its result", arguments: [Float.nan, -Float.nan])
    func notANumber(_ nan: Float) {
        let x = random(Workspace(), 1, 4, 4, 3, 1)
        x.pointer[(1 * 4 + 1) * 3] = nan
        let y = MaxPooling.stem.forward(x)
        for place in 0..<y.count { #expect(y.pointer[place].isNaN == (place % 3 == 0)) }
        let halves = MaxPooling.halving.forward(x)
        for place in 0..<halves.count { #expect(halves.pointer[place].isNaN == (place == 0)) }
    }
}
