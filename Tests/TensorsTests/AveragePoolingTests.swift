import Testing

@testable import Tensors

@Suite("Average pooling of windows")
struct AveragePoolingTests {
    static let shapes = [[2, 8, 8, 16], [3, 5, 7, 5], [2, 2, 2, 3], [0, 4, 4, 8], [2, 6, 3, 40]]

    @Test("windows are PyTorch's")
    func windows() {
        #expect(AveragePooling.halving.windows(5) == [0..<2, 2..<4])
        #expect(AveragePooling.halving.windows(1).isEmpty)
        // torch.nn.AdaptiveAvgPool2d: windows overlap where sizes do not divide, and repeat where there are fewer pixels.
        #expect(AveragePooling.adaptive(side: 2).windows(4) == [0..<2, 2..<4])
        #expect(AveragePooling.adaptive(side: 2).windows(5) == [0..<3, 2..<5])
        #expect(AveragePooling.adaptive(side: 3).windows(7) == [0..<3, 2..<5, 4..<7])
        #expect(AveragePooling.adaptive(side: 2).windows(1) == [0..<1, 0..<1])
    }

    @Test(
        "the mean under each window; backward is the transpose, and masks", arguments: shapes,
        [AveragePooling.halving, .adaptive(side: 2), .adaptive(side: 3), .adaptive(side: 1)])
    func values(_ shape: [Int], _ pooling: AveragePooling) {
        let workspace = Workspace(threads: 2)
        let x = random(workspace, shape[0], shape[1], shape[2], shape[3], 1)
        let (rows, columns) = (pooling.windows(x.height), pooling.windows(x.width))
        let y = pooling.forward(x)
        #expect([y.images, y.height, y.width, y.channels] == [shape[0], rows.count, columns.count, shape[3]])
        let dy = random(workspace, y.images, y.height, y.width, y.channels, 2)
        var expected = [Double](repeating: 0, count: x.count)
        for place in 0..<y.count {
            let (pixel, channel) = (place % y.imageSize / y.channels, place % y.channels)
            let (row, column) = (rows[pixel / y.width], columns[pixel % y.width])
            var sum = 0.0
            for y0 in row {
                for x0 in column {
                    let index = place / y.imageSize * x.imageSize + (y0 * x.width + x0) * x.channels + channel
                    sum += Double(x.pointer[index])
                    expected[index] += Double(dy.pointer[place]) / Double(row.count * column.count)
                }
            }
            #expect(abs(Double(y.pointer[place]) - sum / Double(row.count * column.count)) < 1e-6)
        }
        let dx = pooling.backward(dy, x, masksInput: false)
        for index in 0..<dx.count { #expect(abs(Double(dx.pointer[index]) - expected[index]) < 1e-6) }

        let output = random(workspace, shape[0], shape[1], shape[2], shape[3], 3, rectified: true)
        let masked = pooling.backward(dy, output, masksInput: true)
        for index in 0..<masked.count {
            #expect(masked.pointer[index] == (output.pointer[index] > 0 ? dx.pointer[index] : 0))
        }
    }
}

@Suite("Channels side by side")
struct ChannelConcatenationTests {
    @Test(
        "each pixel has the channels of both, and split takes them apart",
        arguments: [[3, 4, 5, 16, 16], [2, 3, 3, 5, 12], [1, 1, 1, 1, 1], [0, 4, 4, 8, 3]])
    func joined(_ shape: [Int]) {
        let workspace = Workspace(threads: 2)
        let first = random(workspace, shape[0], shape[1], shape[2], shape[3], 1)
        let second = random(workspace, shape[0], shape[1], shape[2], shape[4], 2)
        let whole = ChannelConcatenation.join(first, second)
        #expect(
            [whole.images, whole.height, whole.width, whole.channels] == Array(shape[..<3]) + [shape[3] + shape[4]])
        for index in 0..<whole.count {
            let (pixel, channel) = index.quotientAndRemainder(dividingBy: whole.channels)
            let value =
                channel < shape[3]
                ? first.pointer[pixel * shape[3] + channel] : second.pointer[pixel * shape[4] + channel - shape[3]]
            #expect(whole.pointer[index] == value)
        }
        let parts = ChannelConcatenation.split(whole, at: shape[3])
        #expect(parts.first.toArray() == first.toArray() && parts.second.toArray() == second.toArray())
        #expect([parts.second.images, parts.second.height, parts.second.width] == Array(shape[..<3]))
    }
}
