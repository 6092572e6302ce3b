import Testing

@testable import Tensors

@Suite("Epilogue statistics")
struct EpilogueTests {
    static let cases = KernelCase.grid.filter { $0.geometry.outputPixels < 3000 }

    @Test(
        "count what was stored, less the centre, and nothing past the last element", arguments: cases,
        Arithmetic.available)
    func statistics(_ test: KernelCase, _ arithmetic: Arithmetic) {
        let g = test.geometry
        let workspace = Workspace(threads: test.threads)
        let kernel = ConvolutionKernel(g, arithmetic)
        let x = random(workspace, g.images, g.height, g.width, g.inputChannels, 1)
        let w = random(workspace, 1, g.kernel, g.kernel, g.inputChannels * g.outputChannels, 3)
        let y = Tensor(
            workspace, images: g.images, height: g.outputHeight, width: g.outputWidth, channels: g.outputChannels)
        let bias = random(workspace, 1, 1, 1, g.outputChannels, 6)
        let center = random(workspace, 1, 1, 1, g.outputChannels, 7)
        let chunks = kernel.statisticsChunks
        let partial = Tensor(workspace, images: max(1, chunks), channels: 2 * g.outputChannels)
        let filter = Tensor(workspace, images: 1, channels: kernel.preparedFilterSize(.forward))
        kernel.prepareFilter(.forward, w.pointer, into: filter.pointer, workspace)
        kernel.forward(
            x.pointer, [filter.pointer], into: y.pointer,
            Epilogue(bias: bias.pointer, statistics: partial.pointer, center: center.pointer), workspace)
        var sums = [Double](repeating: 0, count: g.outputChannels)
        var squares = sums
        for index in 0..<y.count {
            let channel = index % g.outputChannels
            let value = Double(y.pointer[index]) - Double(center.pointer[channel])
            sums[channel] += value
            squares[channel] += value * value
        }
        let found = ChannelOperations.combine(partial.pointer, chunks: chunks, channels: g.outputChannels)
        for channel in 0..<g.outputChannels {
            #expect(abs(found.sum[channel] - sums[channel]) <= 1e-5 * (1 + squares[channel]))
            #expect(abs(found.product[channel] - squares[channel]) <= 1e-5 * (1 + squares[channel]))
        }
    }
}
