import Testing

@testable import Tensors

@Suite("Pooling")
struct PoolingTests {
    static let shapes = [[2, 4, 4, 16], [3, 3, 5, 5], [1, 1, 1, 3], [0, 2, 2, 8], [5, 2, 3, 40]]

    @Test("the mean over the pixels of each image", arguments: shapes, [1, 2])
    func average(_ shape: [Int], _ threads: Int) {
        let workspace = Workspace(threads: threads)
        let x = random(workspace, shape[0], shape[1], shape[2], shape[3], 1)
        let mean = Pooling.average(x)
        #expect([mean.images, mean.height, mean.width, mean.channels] == [shape[0], 1, 1, shape[3]])
        for image in 0..<shape[0] {
            for channel in 0..<shape[3] {
                let values = (0..<x.pixels).map { Double(x.pointer[(image * x.pixels + $0) * shape[3] + channel]) }
                let exact = values.reduce(0, +) / Double(x.pixels)
                #expect(abs(Double(mean.pointer[image * shape[3] + channel]) - exact) < 1e-6)
            }
        }
    }

    @Test("backward spreads, adds and masks", arguments: shapes, [false, true])
    func backward(_ shape: [Int], _ adds: Bool) {
        let workspace = Workspace(threads: 2)
        let gradient = random(workspace, shape[0], 1, 1, shape[3], 1)
        let old = random(workspace, shape[0], shape[1], shape[2], shape[3], 2)
        let mask = random(workspace, shape[0], shape[1], shape[2], shape[3], 3, rectified: true)
        for masked in [false, true] {
            let dx = Tensor(like: old)
            dx.copy(from: old)
            Pooling.averageBackward(gradient, mask: masked ? mask : nil, adds: adds, into: dx)
            for index in 0..<dx.count {
                let share = gradient.pointer[index / dx.imageSize * shape[3] + index % shape[3]] / Float(dx.pixels)
                let value = share + (adds ? old.pointer[index] : 0)
                if masked && mask.pointer[index] == 0 {
                    #expect(dx.pointer[index] == 0)
                } else {
                    #expect(abs(dx.pointer[index] - value) <= 1e-6)
                }
            }
        }
    }
}
