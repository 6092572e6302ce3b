import Testing

@testable import Tensors

@Suite("Channel operations")
struct ChannelOperationsTests {
    /// Channels that divide 16, that share a factor with it, and that do not; maps with and without a ragged end; one
    /// tensor of several chunks.
    static let shapes = [[2, 3, 5, 16], [3, 3, 3, 5], [1, 1, 1, 1], [2, 5, 4, 24], [0, 4, 4, 7], [4, 90, 70, 3]]

    private func make(_ workspace: Workspace, _ shape: [Int], _ seed: UInt64, rectified: Bool = false) -> Tensor {
        random(workspace, shape[0], shape[1], shape[2], shape[3], seed, rectified: rectified)
    }

    private func coefficients(_ channels: Int, _ offset: Float) -> [Float] {
        (0..<channels).map { 0.3 * Float($0) - offset }
    }

    @Test("affine: scale, shift, addend and ReLU, also in place", arguments: shapes, [1, 3])
    func affine(_ shape: [Int], _ threads: Int) {
        let workspace = Workspace(threads: threads)
        let x = make(workspace, shape, 1)
        let addend = make(workspace, shape, 2)
        let (scale, shift) = (coefficients(shape[3], 1), coefficients(shape[3], 2))
        let y = Tensor(like: x)
        ChannelOperations.affine(x, scale: scale, shift: shift, addend: addend, rectifies: true, into: y)
        let plain = Tensor(like: x)
        plain.copy(from: x)
        ChannelOperations.affine(plain, scale: scale, shift: shift, into: plain)
        for index in 0..<x.count {
            let value = x.pointer[index] * scale[index % shape[3]] + shift[index % shape[3]]
            #expect(plain.pointer[index] == value)
            #expect(y.pointer[index] == max(0, value + addend.pointer[index]))
        }
    }

    @Test("affine of two tensors", arguments: shapes)
    func affineOfTwo(_ shape: [Int]) {
        let workspace = Workspace(threads: 2)
        let (g, x) = (make(workspace, shape, 1), make(workspace, shape, 2))
        let (scale, slope, shift) = (coefficients(shape[3], 1), coefficients(shape[3], 2), coefficients(shape[3], 3))
        let dx = Tensor(like: g)
        ChannelOperations.affineOfTwo(g, scale: scale, x, slope: slope, shift: shift, into: dx)
        for index in 0..<x.count {
            let channel = index % shape[3]
            let value = g.pointer[index] * scale[channel] + x.pointer[index] * slope[channel] + shift[channel]
            #expect(dx.pointer[index] == value)
        }
    }

    @Test("gate and add", arguments: shapes)
    func gateAndAdd(_ shape: [Int]) {
        let workspace = Workspace(threads: 2)
        let (g, x) = (make(workspace, shape, 1), make(workspace, shape, 2))
        let output = make(workspace, shape, 3, rectified: true)
        let kept = Tensor(like: g)
        kept.copy(from: g)
        ChannelOperations.gate(kept, by: output)
        let sum = Tensor(like: g)
        sum.copy(from: g)
        ChannelOperations.add(x, to: sum)
        for index in 0..<g.count {
            #expect(kept.pointer[index] == (output.pointer[index] > 0 ? g.pointer[index] : 0))
            #expect(sum.pointer[index] == g.pointer[index] + x.pointer[index])
        }
    }

    @Test("sums and moments of each channel, the same for any number of threads", arguments: shapes)
    func sums(_ shape: [Int]) {
        func run(_ threads: Int) -> (products: ChannelSums, moments: ChannelSums, g: [Float], x: [Float]) {
            let workspace = Workspace(threads: threads)
            let (g, x) = (make(workspace, shape, 1), make(workspace, shape, 2))
            let center = coefficients(shape[3], 0.2)
            return (
                ChannelOperations.sums(g, x, center: center), ChannelOperations.moments(x, center: center),
                g.toArray(), x.toArray()
            )
        }
        let found = run(1)
        let center = coefficients(shape[3], 0.2).map(Double.init)
        var expected = [[Double]](repeating: [Double](repeating: 0, count: shape[3]), count: 4)
        var sizes = expected
        for index in found.g.indices {
            let channel = index % shape[3]
            let (g, x) = (Double(found.g[index]), Double(found.x[index]) - center[channel])
            for (place, value) in [g, g * x, x, x * x].enumerated() {
                expected[place][channel] += value
                sizes[place][channel] += abs(value)
            }
        }
        let lists = [found.products.sum, found.products.product, found.moments.sum, found.moments.product]
        for (place, list) in lists.enumerated() {
            for (channel, value) in list.enumerated() {
                #expect(abs(value - expected[place][channel]) <= 1e-6 * sizes[place][channel])
            }
        }
        let threaded = run(3)
        #expect(threaded.products.sum == found.products.sum && threaded.products.product == found.products.product)
        #expect(threaded.moments.sum == found.moments.sum && threaded.moments.product == found.moments.product)
    }

    @Test("moments around a value near the mean keep the digits of a small variance")
    func centredMoments() {
        let workspace = Workspace()
        let x = random(workspace, 8, 30, 30, 6, 4)
        for index in 0..<x.count { x.pointer[index] = 100 + 0.05 * x.pointer[index] }
        let center = [Float](repeating: 100, count: 6)
        let sums = ChannelOperations.moments(x, center: center)
        let n = Double(x.count / 6)
        for channel in 0..<6 {
            let values = stride(from: channel, to: x.count, by: 6).map { Double(x.pointer[$0]) }
            let mean = values.reduce(0, +) / n
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
            let found = sums.product[channel] / n - (sums.sum[channel] / n) * (sums.sum[channel] / n)
            #expect(abs(found - variance) <= 1e-5 * variance)
        }
    }
}
