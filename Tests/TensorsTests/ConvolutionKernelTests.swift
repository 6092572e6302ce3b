import Testing

@testable import Tensors

/// One shape of the grid on which every kernel is compared with a double-precision direct convolution.
struct KernelCase: CustomTestStringConvertible, Sendable {
    var geometry: ConvolutionGeometry
    var threads = 1
    init(
        _ images: Int, _ height: Int, _ width: Int, _ inputs: Int, _ outputs: Int, _ kernel: Int = 3, _ stride: Int = 1,
        padding: Int? = nil, threads: Int = 1
    ) {
        geometry = ConvolutionGeometry(
            images: images, height: height, width: width, inputChannels: inputs, outputChannels: outputs,
            kernel: kernel, stride: stride, padding: padding ?? kernel / 2)
        self.threads = threads
    }
    var testDescription: String {
        let g = geometry
        return
            "\(g.images)x\(g.height)x\(g.width) \(g.inputChannels)->\(g.outputChannels) k\(g.kernel) s\(g.stride) p\(g.padding) threads \(threads)"
    }

    static let grid: [KernelCase] = [
        KernelCase(1, 1, 1, 16, 16), KernelCase(2, 4, 4, 16, 32), KernelCase(3, 5, 7, 32, 16),
        KernelCase(2, 8, 8, 64, 64), KernelCase(1, 33, 33, 16, 16), KernelCase(9, 4, 4, 48, 80),
        KernelCase(5, 14, 14, 32, 32, threads: 2), KernelCase(2, 7, 7, 256, 256, threads: 2),
        KernelCase(3, 4, 4, 512, 512), KernelCase(20, 4, 4, 512, 512, threads: 2), KernelCase(70, 4, 4, 512, 512),
        KernelCase(2, 6, 6, 200, 200), KernelCase(2, 9, 9, 3, 16), KernelCase(4, 32, 32, 3, 64, threads: 2),
        KernelCase(2, 13, 11, 1, 7), KernelCase(3, 8, 8, 16, 32, 3, 2), KernelCase(2, 7, 7, 64, 128, 3, 2),
        KernelCase(1, 1, 1, 16, 16, 3, 2), KernelCase(2, 2, 3, 16, 48, 3, 2),
        KernelCase(5, 9, 12, 32, 16, 3, 2, threads: 2),
        KernelCase(1, 33, 33, 16, 32, 3, 2), KernelCase(40, 8, 8, 128, 256, 3, 2, threads: 2),
        KernelCase(3, 8, 8, 272, 80, 3, 2), KernelCase(0, 8, 8, 16, 32, 3, 2),
        KernelCase(140, 4, 4, 256, 272, threads: 2),
        KernelCase(2, 9, 9, 8, 8, 1, 1), KernelCase(3, 10, 10, 24, 40, 1, 2, threads: 2),
        KernelCase(2, 12, 12, 5, 9, 5, 1), KernelCase(2, 8, 8, 16, 16, 3, 1, padding: 0),
        KernelCase(0, 8, 8, 16, 16), KernelCase(0, 8, 8, 3, 16),
    ]
}

@Suite("Convolution kernels against double precision")
struct ConvolutionKernelTests {
    /// Error bounds relative to the rms of the exact result: a few thousand rounded terms of direct arithmetic; the
    /// transforms of F(4×4) amplify rounding by about ten (measured: rms 4e-6, largest 1.3e-4 with 512 channels), those over the phases of a
    /// stride-2 filter by about six.
    ///
    /// Rounding of bf16 factors is 2^16 times that of floats, amplified alike (measured: rms 3e-2, largest 4e-1; over phases 1.4e-2
    /// and 2.5e-1); the sums add nothing to speak of.
    func bounds(
        _ algorithm: ConvolutionAlgorithm, _ factors: ProductFactors = .single
    ) -> (rms: Double, largest: Double) {
        if factors == .bfloat16 {
            switch algorithm {
            case .winograd4: return (4e-2, 7e-1)
            case .phases4: return (2e-2, 4e-1)
            case .winograd2, .phases2: return (1e-2, 1e-1)
            case .patches: break
            }
        }
        return switch algorithm {
        case .winograd4, .phases4: (1e-5, 2e-4)
        case .winograd2, .phases2, .patches: (1e-6, 1e-5)
        }
    }

    @Test(
        "forward, input gradient and weight gradient by every algorithm that the shape allows",
        arguments: KernelCase.grid)
    func matchesDirectConvolution(_ test: KernelCase) {
        let g = test.geometry
        let workspace = Workspace(threads: test.threads)
        let x = random(workspace, g.images, g.height, g.width, g.inputChannels, 1, rectified: true)
        let dy = random(workspace, g.images, g.outputHeight, g.outputWidth, g.outputChannels, 2)
        let w = random(workspace, 1, g.kernel, g.kernel, g.inputChannels * g.outputChannels, 3)
        let exact = DirectConvolution(g, x: x, w: w, dy: dy)
        let expected = (forward: exact.forward(), input: exact.inputGradient(), weight: exact.weightGradient())
        var kernels = [ConvolutionKernel(g, .fast), ConvolutionKernel(g, .exact)]
        if g.kernel == 3, g.padding == 1, g.inputChannels % 16 == 0, g.outputChannels % 16 == 0 {
            let algorithms: [ConvolutionAlgorithm] = g.stride == 1 ? [.winograd2, .winograd4] : [.phases2, .phases4]
            for arithmetic in Arithmetic.available where arithmetic != .exact {
                kernels += algorithms.map { ConvolutionKernel(g, always: $0, arithmetic) }
            }
        }
        for kernel in kernels { expectExact(kernel, workspace, x, dy, w, expected) }
    }

    private func expectExact(
        _ kernel: ConvolutionKernel, _ workspace: Workspace, _ x: Tensor, _ dy: Tensor, _ w: Tensor,
        _ expected: (forward: [Double], input: [Double], weight: [Double])
    ) {
        let y = Tensor(like: dy)
        let filter = Tensor(workspace, images: 1, channels: kernel.preparedFilterSize(.forward))
        kernel.prepareFilter(.forward, w.pointer, into: filter.pointer, workspace)
        kernel.forward(x.pointer, [filter.pointer], into: y.pointer, Epilogue(), workspace)
        expectClose(y, expected.forward, bounds(kernel.algorithm(.forward), kernel.factors(.forward)), "forward")

        let dx = Tensor(like: x)
        let back = Tensor(workspace, images: 1, channels: kernel.preparedFilterSize(.inputGradient))
        kernel.prepareFilter(.inputGradient, w.pointer, into: back.pointer, workspace)
        kernel.inputGradient(dy.pointer, [back.pointer], into: dx.pointer, Epilogue(), workspace)
        expectClose(
            dx, expected.input, bounds(kernel.algorithm(.inputGradient), kernel.factors(.inputGradient)),
            "input gradient")

        let dw = Tensor(like: w)
        dw.fill(0.5)
        kernel.weightGradient(x.pointer, dy.pointer, into: [dw.pointer], workspace)
        for index in 0..<dw.count { dw.pointer[index] -= 0.5 }
        // The 0.5 that was there before costs half an ulp of it.
        expectClose(
            dw, expected.weight, bounds(kernel.algorithm(.weightGradient)), "weight gradient", slack: 1e-6)
    }

    @Test("results do not depend on the number of threads", arguments: KernelCase.grid)
    func threadsDoNotMatter(_ test: KernelCase) {
        func run(_ threads: Int, _ arithmetic: Arithmetic) -> [[Float]] {
            let g = test.geometry
            let workspace = Workspace(threads: threads)
            let kernel = ConvolutionKernel(g, arithmetic)
            let x = random(workspace, g.images, g.height, g.width, g.inputChannels, 1)
            let dy = random(workspace, g.images, g.outputHeight, g.outputWidth, g.outputChannels, 2)
            let w = random(workspace, 1, g.kernel, g.kernel, g.inputChannels * g.outputChannels, 3)
            let y = Tensor(like: dy)
            let dx = Tensor(like: x)
            let dw = Tensor(like: w)
            dw.fill(0)
            let filter = Tensor(workspace, images: 1, channels: kernel.preparedFilterSize(.forward))
            let back = Tensor(workspace, images: 1, channels: kernel.preparedFilterSize(.inputGradient))
            let statistics = Tensor(workspace, images: max(1, kernel.statisticsChunks), channels: 2 * g.outputChannels)
            statistics.fill(0)
            kernel.prepareFilter(.forward, w.pointer, into: filter.pointer, workspace)
            kernel.prepareFilter(.inputGradient, w.pointer, into: back.pointer, workspace)
            kernel.forward(
                x.pointer, [filter.pointer], into: y.pointer, Epilogue(statistics: statistics.pointer), workspace)
            kernel.inputGradient(dy.pointer, [back.pointer], into: dx.pointer, Epilogue(), workspace)
            kernel.weightGradient(x.pointer, dy.pointer, into: [dw.pointer], workspace)
            return [y, dx, dw, statistics].map { $0.toArray() }
        }
        for arithmetic in Arithmetic.available where arithmetic != .exact {
            let one = run(1, arithmetic)
            for threads in [2, 3] { #expect(run(threads, arithmetic) == one) }
        }
    }

    @Test("the epilogue adds, rectifies, masks and sums in its stated order", arguments: KernelCase.grid)
    func epilogueIsApplied(_ test: KernelCase) {
        let g = test.geometry
        let workspace = Workspace(threads: test.threads)
        let kernel = ConvolutionKernel(g, .fast)
        let x = random(workspace, g.images, g.height, g.width, g.inputChannels, 1)
        let w = random(workspace, 1, g.kernel, g.kernel, g.inputChannels * g.outputChannels, 3)
        let plain = Tensor(
            workspace, images: g.images, height: g.outputHeight, width: g.outputWidth, channels: g.outputChannels)
        let y = Tensor(like: plain)
        let addend = random(workspace, g.images, g.outputHeight, g.outputWidth, g.outputChannels, 4)
        let mask = random(workspace, g.images, g.outputHeight, g.outputWidth, g.outputChannels, 5, rectified: true)
        let bias = random(workspace, 1, 1, 1, g.outputChannels, 6)
        let chunks = kernel.statisticsChunks
        let statistics = Tensor(workspace, images: max(1, chunks), channels: 2 * g.outputChannels)
        let filter = Tensor(workspace, images: 1, channels: kernel.preparedFilterSize(.forward))
        kernel.prepareFilter(.forward, w.pointer, into: filter.pointer, workspace)
        kernel.forward(x.pointer, [filter.pointer], into: plain.pointer, Epilogue(), workspace)
        kernel.forward(
            x.pointer, [filter.pointer], into: y.pointer,
            Epilogue(
                bias: bias.pointer, addend: addend.pointer, rectifies: true, mask: mask.pointer,
                statistics: statistics.pointer), workspace)
        var sums = [Double](repeating: 0, count: g.outputChannels)
        for index in 0..<y.count {
            let sum = plain.pointer[index] + bias.pointer[index % g.outputChannels] + addend.pointer[index]
            let expected = mask.pointer[index] > 0 ? max(0, sum) : 0
            #expect(y.pointer[index] == expected)
            sums[index % g.outputChannels] += Double(expected)
        }
        let found = ChannelOperations.combine(statistics.pointer, chunks: chunks, channels: g.outputChannels)
        for channel in 0..<g.outputChannels {
            #expect(abs(found.sum[channel] - sums[channel]) <= 1e-5 * (1 + abs(sums[channel])))
        }
    }

    @Test(
        "a scale multiplies outputs on the way forward and what comes back on the way back", arguments: KernelCase.grid)
    func channelsAreScaled(_ test: KernelCase) {
        let g = test.geometry
        for arithmetic in Arithmetic.available {
            let workspace = Workspace(threads: test.threads)
            let kernel = ConvolutionKernel(g, arithmetic)
            let x = random(workspace, g.images, g.height, g.width, g.inputChannels, 1)
            let dy = random(workspace, g.images, g.outputHeight, g.outputWidth, g.outputChannels, 2)
            let w = random(workspace, 1, g.kernel, g.kernel, g.inputChannels * g.outputChannels, 3)
            let scale = random(workspace, 1, 1, 1, g.outputChannels, 4)
            let scaled = Tensor(like: dy)
            ChannelOperations.affine(
                dy, scale: scale.toArray(), shift: [Float](repeating: 0, count: g.outputChannels), into: scaled)
            let filter = Tensor(workspace, images: 1, channels: kernel.preparedFilterSize(.forward))
            let back = Tensor(workspace, images: 1, channels: kernel.preparedFilterSize(.inputGradient))
            kernel.prepareFilter(.forward, w.pointer, into: filter.pointer, workspace)
            kernel.prepareFilter(.inputGradient, w.pointer, into: back.pointer, workspace)
            let (plain, y) = (Tensor(like: dy), Tensor(like: dy))
            kernel.forward(x.pointer, [filter.pointer], into: plain.pointer, Epilogue(), workspace)
            kernel.forward(x.pointer, [filter.pointer], into: y.pointer, Epilogue(scale: scale.pointer), workspace)
            // The last multiplication of either way: equal to the bit.
            for index in 0..<y.count {
                #expect(y.pointer[index] == plain.pointer[index] * scale.pointer[index % g.outputChannels])
            }
            let (expected, dx) = (Tensor(like: x), Tensor(like: x))
            kernel.inputGradient(scaled.pointer, [back.pointer], into: expected.pointer, Epilogue(), workspace)
            kernel.inputGradient(
                dy.pointer, scale: scale.pointer, [back.pointer], into: dx.pointer, Epilogue(), workspace)
            #expect(dx.toArray() == expected.toArray())
        }
    }

    @Test("executed multiply-adds equal the table's prediction", arguments: KernelCase.grid)
    func multiplyAddsAreCounted(_ test: KernelCase) {
        // Other tests of this bundle run at the same time, so the prediction is checked against the tiles instead of
        // the process-wide counter; the serialized counter test checks the counter.
        let g = test.geometry
        let kernel = ConvolutionKernel(g, .fast)
        for pass in [ConvolutionPass.forward, .inputGradient, .weightGradient] {
            let (tile, products) =
                switch kernel.algorithm(pass) {
                case .patches: (1, 9)
                case .winograd2: (2, 16)
                case .winograd4: (4, 36)
                case .phases2: (2, 25)
                case .phases4: (4, 81)
                }
            let tiles = g.images * ((g.outputHeight + tile - 1) / tile) * ((g.outputWidth + tile - 1) / tile)
            let expected = tiles * products * g.inputChannels * g.outputChannels
            #expect(kernel.multiplyAdds(pass) == (kernel.algorithm(pass) == .patches ? g.directMultiplyAdds : expected))
        }
    }
}

/// Uniform noise in ±1 that depends only on the seed.
func random(
    _ workspace: Workspace, _ images: Int, _ height: Int, _ width: Int, _ channels: Int, _ seed: UInt64,
    rectified: Bool = false
) -> Tensor {
    let result = Tensor(workspace, images: images, height: height, width: width, channels: channels)
    var stream = RandomStream(seed: seed, purpose: .synthetic)
    for index in 0..<result.count {
        let value = 2 * stream.uniform() - 1
        result.pointer[index] = rectified ? max(0, value) : value
    }
    return result
}

func expectClose(
    _ found: Tensor, _ exact: [Double], _ bounds: (rms: Double, largest: Double), _ what: String, slack: Double = 0,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(found.count == exact.count, "\(what)", sourceLocation: sourceLocation)
    if exact.isEmpty { return }
    var squares = 0.0
    var errors = 0.0
    var largest = 0.0
    for (index, value) in exact.enumerated() {
        let error = abs(Double(found.pointer[index]) - value)
        squares += value * value
        errors += error * error
        largest = error.isNaN ? .infinity : max(largest, error)
    }
    let scale = (squares / Double(exact.count)).squareRoot()
    let rms = (errors / Double(exact.count)).squareRoot()
    #expect(rms <= bounds.rms * scale + slack, "\(what): rms error \(rms) of \(scale)", sourceLocation: sourceLocation)
    #expect(
        largest <= bounds.largest * scale + slack, "\(what): largest error \(largest) of \(scale)",
        sourceLocation: sourceLocation)
}
