import Testing

@testable import Tensors

/// One shape whose images meet several filters.
struct GroupCase: CustomTestStringConvertible, Sendable {
    let shape: KernelCase
    /// Images of each group.
    let sizes: [Int]

    init(_ sizes: [Int], _ side: Int, _ inputs: Int, _ outputs: Int, _ kernel: Int = 3, _ stride: Int = 1) {
        shape = KernelCase(sizes.reduce(0, +), side, side, inputs, outputs, kernel, stride)
        self.sizes = sizes
    }

    var groups: [Range<Int>] {
        var start = 0
        return sizes.map { size in
            defer { start += size }
            return start..<start + size
        }
    }

    var testDescription: String { "\(shape.testDescription) groups \(sizes)" }

    /// One image, groups without images, groups that end within a block and a run, wide filters that cores share.
    static let grid: [GroupCase] = [
        GroupCase([1, 4, 2], 8, 16, 32), GroupCase([3, 0, 5], 7, 32, 16), GroupCase([0, 0, 1], 4, 16, 16),
        GroupCase([9, 1, 23], 5, 48, 64), GroupCase([5, 0, 1, 37], 4, 256, 256), GroupCase([33, 3], 8, 256, 256),
        GroupCase([1, 6, 2], 9, 16, 32, 3, 2), GroupCase([2, 0, 11], 8, 128, 256, 3, 2),
        GroupCase([1, 2], 8, 256, 512, 3, 2), GroupCase([3, 0, 18], 6, 24, 40, 1, 2), GroupCase([4, 1, 2], 9, 3, 7),
        GroupCase([20, 0, 1], 4, 20, 12),
    ]
}

@Suite("Convolutions of groups of images with filters of their own")
struct ConvolutionGroupTests {
    private struct Results: Equatable {
        var y: [Float]
        var dx: [Float]
        var dw: [[Float]]
    }

    /// All passes with a scale, an addend and a mask; sums of the outputs, made of the statistics, come last in `y`.
    private func run(
        _ g: ConvolutionGeometry, _ groups: [Range<Int>], filters: [Tensor], x: Tensor, dy: Tensor,
        _ workspace: Workspace, _ make: ([Range<Int>]) -> ConvolutionKernel
    ) -> Results {
        let kernel = make(groups)
        func prepared(_ pass: ConvolutionPass) -> [Tensor] {
            filters.map { filter in
                let result = Tensor(workspace, images: 1, channels: kernel.preparedFilterSize(pass))
                kernel.prepareFilter(pass, filter.pointer, into: result.pointer, workspace)
                return result
            }
        }
        let scale = random(workspace, 1, 1, 1, g.outputChannels, 4)
        let (y, dx) = (Tensor(like: dy), Tensor(like: x))
        let chunks = kernel.statisticsChunks
        let statistics = Tensor(workspace, images: max(1, chunks), channels: 2 * g.outputChannels)
        let (forward, back) = (prepared(.forward), prepared(.inputGradient))
        withExtendedLifetime((forward, back)) {
            kernel.forward(
                x.pointer, forward.map(\.pointer), into: y.pointer,
                Epilogue(scale: scale.pointer, addend: dy.pointer, statistics: statistics.pointer), workspace)
            kernel.inputGradient(
                dy.pointer, scale: scale.pointer, back.map(\.pointer), into: dx.pointer, Epilogue(mask: x.pointer),
                workspace)
        }
        let dw = filters.map { Tensor(like: $0) }
        for tensor in dw { tensor.fill(0.25) }
        kernel.weightGradient(x.pointer, dy.pointer, into: dw.map(\.pointer), workspace)
        let sums = ChannelOperations.combine(statistics.pointer, chunks: chunks, channels: g.outputChannels)
        return Results(
            y: y.toArray() + sums.sum.map(Float.init), dx: dx.toArray(), dw: dw.map { $0.toArray() })
    }

    private func data(_ test: GroupCase, _ workspace: Workspace) -> (filters: [Tensor], x: Tensor, dy: Tensor) {
        let g = test.shape.geometry
        return (
            test.sizes.indices.map {
                random(workspace, 1, g.kernel, g.kernel, g.inputChannels * g.outputChannels, 10 + UInt64($0))
            }, random(workspace, g.images, g.height, g.width, g.inputChannels, 1),
            random(workspace, g.images, g.outputHeight, g.outputWidth, g.outputChannels, 2)
        )
    }

    @Test("equal one convolution after the other, by every algorithm", arguments: GroupCase.grid)
    func equalSeparateConvolutions(_ test: GroupCase) {
        let g = test.shape.geometry
        let workspace = Workspace(threads: 2)
        let (filters, x, dy) = data(test, workspace)
        var algorithms: [ConvolutionAlgorithm] = [.patches]
        if g.kernel == 3, g.inputChannels % 16 == 0, g.outputChannels % 16 == 0 {
            algorithms += g.stride == 1 ? [.winograd2, .winograd4] : [.phases2, .phases4]
        }
        for algorithm in algorithms {
            let found = run(g, test.groups, filters: filters, x: x, dy: dy, workspace) {
                ConvolutionKernel(g, always: algorithm, groups: $0)
            }
            var expected = Results(y: [], dx: [], dw: [])
            var sums = [Float](repeating: 0, count: g.outputChannels)
            for (index, range) in test.groups.enumerated() {
                var part = g
                part.images = range.count
                let one = run(
                    part, [0..<range.count], filters: [filters[index]], x: x.slice(range), dy: dy.slice(range),
                    workspace
                ) { ConvolutionKernel(part, always: algorithm, groups: $0) }
                expected.y += one.y.dropLast(g.outputChannels)
                expected.dx += one.dx
                expected.dw += one.dw
                for channel in 0..<g.outputChannels { sums[channel] += one.y[one.y.count - g.outputChannels + channel] }
            }
            // Products of other numbers of rows round differently: a few ulps of sums of some thousand terms.
            expectNear(found.y, expected.y + sums, "\(algorithm) forward")
            expectNear(found.dx, expected.dx, "\(algorithm) input gradient")
            for (one, other) in zip(found.dw, expected.dw) { expectNear(one, other, "\(algorithm) weight gradient") }
            for (index, size) in test.sizes.enumerated() where size == 0 {
                #expect(found.dw[index].allSatisfy { $0 == 0.25 }, "a filter that no image met")
            }
        }
    }

    private func expectNear(_ found: [Float], _ expected: [Float], _ what: String) {
        #expect(found.count == expected.count, "\(what)")
        let largest = expected.reduce(0) { max($0, abs($1)) }
        let error = zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(error <= 2e-5 * largest, "\(what): \(error) of \(largest)")
    }

    @Test("results do not depend on the number of threads", arguments: GroupCase.grid)
    func threadsDoNotMatter(_ test: GroupCase) {
        func results(_ threads: Int) -> Results {
            let workspace = Workspace(threads: threads)
            let (filters, x, dy) = data(test, workspace)
            return run(test.shape.geometry, test.groups, filters: filters, x: x, dy: dy, workspace) {
                ConvolutionKernel(test.shape.geometry, .fast, groups: $0)
            }
        }
        let one = results(1)
        for threads in [2, 3] {
            let isEqual = results(threads) == one
            #expect(isEqual, "\(threads) threads")
        }
    }

    @Test("algorithms go by the images of a group, not of the batch")
    func algorithmsGoByGroups() {
        let g = KernelCase(64, 4, 4, 256, 256).geometry
        let eight = (0..<8).map { $0 * 8..<$0 * 8 + 8 }
        #expect(ConvolutionKernel(g, .fast).algorithm(.forward) == .winograd4)
        #expect(ConvolutionKernel(g, .fast, groups: eight).algorithm(.forward) == .winograd2)
    }
}
