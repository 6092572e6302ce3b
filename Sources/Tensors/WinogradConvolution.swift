/// A 3×3, stride-1, padding-1 convolution by Winograd's minimal filtering; channels are multiples of 16.
///
/// Each of the n² transform points is one matrix product over channels (forward, input gradient) or over tiles
/// (weight gradient). The input gradient is the forward convolution of dy with the rotated filter.
struct WinogradConvolution<Transform: WinogradTransform> {
    let geometry: ConvolutionGeometry
    let tiles: WinogradTiles
    /// Floats between the points of a transformed filter; one line of padding avoids power-of-two distances.
    let filterStride: Int
    let inputStride: Int
    let outputStride: Int

    init(_ geometry: ConvolutionGeometry) {
        precondition(
            geometry.kernel == 3 && geometry.stride == 1 && geometry.padding == 1
                && geometry.inputChannels % lanes == 0 && geometry.outputChannels % lanes == 0,
            "no Winograd convolution has the shape \(geometry)")
        self.geometry = geometry
        tiles = WinogradTiles(geometry, outputs: Transform.outputs)
        filterStride = geometry.inputChannels * geometry.outputChannels + lanes
        inputStride = tiles.block * geometry.inputChannels + lanes
        outputStride = tiles.block * geometry.outputChannels + lanes
    }

    /// Floats of a transformed filter.
    var filterSize: Int { Transform.points * filterStride }
    /// Pairs of partial sums that a forward pass with statistics writes.
    var statisticsChunks: Int {
        tiles.sharesBlock ? (tiles.count + WinogradTiles.group - 1) / WinogradTiles.group : tiles.blocks
    }
    /// Multiply-adds of one pass, forward or backward.
    var multiplyAdds: Int { tiles.count * Transform.points * geometry.inputChannels * geometry.outputChannels }

    /// Computes y = conv(x, filter) with a transformed filter `u`, `[points][inputChannels][outputChannels]`.
    func forward(
        _ x: FloatPointer, _ u: FloatPointer, into y: FloatPointer, _ epilogue: Epilogue, _ workspace: Workspace
    ) {
        let perBlock = Transform.points * (inputStride + outputStride)
        let loop = workspace.loop
        if tiles.sharesBlock {
            workspace.withScratch(perBlock) { v in
                let m = v + Transform.points * inputStride
                for block in 0..<tiles.blocks {
                    let range = tiles.tiles(ofBlock: block)
                    overGroups(of: range, loop) { _, group in
                        transformInput(x, group, into: v, at: group.lowerBound - range.lowerBound)
                    }
                    loop(Transform.points) { _, point in product(point, range.count, v, u, m) }
                    overGroups(of: range, loop) { chunk, group in
                        transformOutput(
                            m, at: group.lowerBound - range.lowerBound, group, into: y, epilogue, chunk: chunk)
                    }
                }
            }
        } else {
            workspace.withScratch(perBlock * loop.threads) { scratch in
                loop(tiles.blocks) { worker, block in
                    let v = scratch + worker * perBlock
                    let m = v + Transform.points * inputStride
                    let range = tiles.tiles(ofBlock: block)
                    transformInput(x, range, into: v, at: 0)
                    for point in 0..<Transform.points { product(point, range.count, v, u, m) }
                    transformOutput(m, at: 0, range, into: y, epilogue, chunk: block)
                }
            }
        }
    }

    /// Adds the weight gradient to `dw`, `[3][3][inputChannels][outputChannels]`.
    func weightGradient(_ x: FloatPointer, _ dy: FloatPointer, into dw: FloatPointer, _ workspace: Workspace) {
        if tiles.count == 0 { return }
        let perBlock = Transform.points * (inputStride + outputStride)
        let loop = workspace.loop
        if tiles.sharesBlock {
            workspace.withScratch(perBlock + filterSize) { v in
                let n = v + Transform.points * inputStride
                let du = v + perBlock
                for block in 0..<tiles.blocks {
                    let range = tiles.tiles(ofBlock: block)
                    overGroups(of: range, loop) { _, group in
                        transformInput(x, group, into: v, at: group.lowerBound - range.lowerBound)
                        transformOutputGradient(dy, group, into: n, at: group.lowerBound - range.lowerBound)
                    }
                    loop(Transform.points) { _, point in
                        gradientProduct(point, range.count, v, n, du, accumulate: block > 0)
                    }
                }
                addFilterGradient(du, accumulators: 1, into: dw, loop)
            }
        } else {
            // A fixed number of accumulators, added in order: no barrier, and no dependence on the thread count.
            let accumulators = min(4, (tiles.blocks + 7) / 8)
            workspace.withScratch(perBlock * loop.threads + filterSize * accumulators) { scratch in
                let accumulator = scratch + perBlock * loop.threads
                loop(accumulators) { worker, part in
                    let v = scratch + worker * perBlock
                    let n = v + Transform.points * inputStride
                    let blocks = part * tiles.blocks / accumulators..<(part + 1) * tiles.blocks / accumulators
                    for block in blocks {
                        let range = tiles.tiles(ofBlock: block)
                        transformInput(x, range, into: v, at: 0)
                        transformOutputGradient(dy, range, into: n, at: 0)
                        for point in 0..<Transform.points {
                            gradientProduct(
                                point, range.count, v, n, accumulator + part * filterSize,
                                accumulate: block > blocks.lowerBound)
                        }
                    }
                }
                addFilterGradient(accumulator, accumulators: accumulators, into: dw, loop)
            }
        }
    }

    /// Calls `body(chunk, tiles)` for the groups of a shared block.
    @inline(__always)
    private func overGroups(of range: Range<Int>, _ loop: ParallelLoop, _ body: (Int, Range<Int>) -> Void) {
        let size = WinogradTiles.group
        loop((range.count + size - 1) / size) { _, group in
            let first = range.lowerBound + group * size
            body(first / size, first..<min(range.upperBound, first + size))
        }
    }

    @inline(__always)
    private func product(_ point: Int, _ count: Int, _ v: FloatPointer, _ u: FloatPointer, _ m: FloatPointer) {
        let (inputs, outputs) = (geometry.inputChannels, geometry.outputChannels)
        MatrixProduct.multiply(
            count, outputs, inputs, v + point * inputStride, inputs, u + point * filterStride, outputs,
            into: m + point * outputStride, outputs)
    }

    @inline(__always)
    private func gradientProduct(
        _ point: Int, _ count: Int, _ v: FloatPointer, _ n: FloatPointer, _ du: FloatPointer, accumulate: Bool
    ) {
        let (inputs, outputs) = (geometry.inputChannels, geometry.outputChannels)
        MatrixProduct.multiply(
            inputs, outputs, count, v + point * inputStride, inputs, transposeA: true,
            n + point * outputStride, outputs, into: du + point * filterStride, outputs, accumulate: accumulate)
    }

    /// Adds Gᵀ(Σ dU)G to `dw`.
    private func addFilterGradient(
        _ du: FloatPointer, accumulators: Int, into dw: FloatPointer, _ loop: ParallelLoop
    ) {
        let side = Transform.inputs
        let (inputs, outputs) = (geometry.inputChannels, geometry.outputChannels)
        loop(inputs) { _, c in
            withUnsafeTemporaryAllocation(of: Vector.self, capacity: Transform.points + side * 3 + 9) { buffer in
                guard let sums = buffer.baseAddress else { return }
                let columns = sums + Transform.points
                let taps = columns + side * 3
                for k in Swift.stride(from: 0, to: outputs, by: lanes) {
                    for point in 0..<Transform.points {
                        let place = du + point * filterStride + c * outputs + k
                        var sum = vectors(place)[0]
                        for part in 1..<max(1, accumulators) { sum += vectors(place + part * filterSize)[0] }
                        sums[point] = sum
                    }
                    for j in 0..<side { Transform.filterAdjoint(sums + j, side, columns + j, side) }
                    for i in 0..<3 { Transform.filterAdjoint(columns + i * side, 1, taps + i * 3, 1) }
                    for tap in 0..<9 { vectors(dw + (tap * inputs + c) * outputs + k)[0] += taps[tap] }
                }
            }
        }
    }
}
