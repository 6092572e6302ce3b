/// A 3×3, padding-1 convolution of stride 1 or 2 by Winograd's minimal filtering; channels are multiples of 16.
///
/// Each of the n² transform points is one matrix product over channels (forward, input gradient) or over tiles
/// (weight gradient). The input gradient is a forward convolution of dy with the rotated filter. With stride 2 the
/// layer's input is seen as four phases with filters of up to 2×2 taps (see ``WinogradSide``), so the products of a point
/// run over the channels of all phases that have a component there.
struct WinogradConvolution<Transform: WinogradTransform> {
    let source: WinogradSide
    let target: WinogradSide
    let tiles: WinogradTiles
    /// Whether gradients are carried from the layer's outputs to its inputs.
    let rotates: Bool
    /// Floats between the points of a transformed filter; one line of padding avoids power-of-two distances.
    let filterStride: Int
    let inputStride: Int
    let outputStride: Int

    /// Prepares one pass of a layer's convolution.
    init(_ geometry: ConvolutionGeometry, _ pass: ConvolutionPass) {
        let rotates = pass == .inputGradient
        precondition(
            geometry.kernel == 3 && geometry.padding == 1 && geometry.stride + Transform.taps == 4
                && geometry.inputChannels % lanes == 0 && geometry.outputChannels % lanes == 0,
            "no Winograd convolution has the shape \(geometry)")
        let isStrided = geometry.stride == 2
        func side(inputs: Bool, isSource: Bool) -> WinogradSide {
            WinogradSide(
                height: inputs ? geometry.height : geometry.outputHeight,
                width: inputs ? geometry.width : geometry.outputWidth,
                channels: inputs ? geometry.inputChannels : geometry.outputChannels,
                step: inputs ? geometry.stride : 1,
                // The padding comes before the first sample, of odd phases if there are phases; behind a rotated filter,
                // odd samples are the second of their pairs.
                origin: isStrided ? (inputs ? (isSource ? -1 : 1) : 0) : (isSource ? -1 : 0))
        }
        source = side(inputs: !rotates, isSource: true)
        target = side(inputs: rotates, isSource: false)
        self.rotates = rotates
        tiles = WinogradTiles(
            geometry, outputs: Transform.outputs, points: Transform.points, depths: (source.depth, target.depth))
        panelWidth = MatrixProduct.largestUnpackedProduct == nil ? max(1, target.channels) : 64
        filterStride = source.depth * target.depth + lanes
        inputStride = tiles.block * source.depth + lanes
        outputStride = tiles.block * target.depth + lanes
    }

    /// Floats of a transformed filter.
    var filterSize: Int { Transform.points * filterStride }
    /// Pairs of partial sums that a forward pass with statistics writes.
    var statisticsChunks: Int {
        tiles.sharesBlock ? (tiles.count + WinogradTiles.group - 1) / WinogradTiles.group : tiles.blocks
    }
    /// Multiply-adds of one pass, forward or backward.
    var multiplyAdds: Int {
        let phased = source.step == 2 ? source : target
        let products = (0..<Transform.points).reduce(0) { $0 + phased.phases(at: $1, inputs: Transform.inputs).count }
        return tiles.count * products * source.channels * target.channels
    }

    /// Output channels that lie together in a transformed filter: narrow where that spares packing.
    let panelWidth: Int

    /// Computes y = conv(x, filter) with a transformed filter `u`; see ``transformFilter(_:scale:into:_:)``.
    func forward(
        _ x: FloatPointer, _ u: FloatPointer, into y: FloatPointer, _ epilogue: Epilogue, _ workspace: Workspace
    ) {
        let perBlock = Transform.points * (inputStride + outputStride)
        let loop = workspace.loop
        if tiles.sharesBlock {
            workspace.withScratch(perBlock) { v in
                let m = v + Transform.points * inputStride
                clearSkippedProducts(m)
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
                if target.step == 2 {
                    for worker in 0..<loop.threads {
                        clearSkippedProducts(scratch + worker * perBlock + Transform.points * inputStride)
                    }
                }
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
            // The sum over a block of tiles is made for a few input channels at a time and taken back to taps while it
            // is in cache: written whole, it would go to memory and back.
            let partStride = Self.rowsAtATime * target.depth + lanes
            let partsOfPhase = (source.channels + Self.rowsAtATime - 1) / Self.rowsAtATime
            let partSize = Transform.points * partStride
            workspace.withScratch(perBlock + partSize * loop.threads) { v in
                let n = v + Transform.points * inputStride
                let parts = v + perBlock
                for block in 0..<tiles.blocks {
                    let range = tiles.tiles(ofBlock: block)
                    overGroups(of: range, loop) { _, group in
                        transformInput(x, group, into: v, at: group.lowerBound - range.lowerBound)
                        transformOutputGradient(dy, group, into: n, at: group.lowerBound - range.lowerBound)
                    }
                    loop(source.phases * partsOfPhase) { worker, index in
                        let du = parts + worker * partSize
                        let (phase, part) = index.quotientAndRemainder(dividingBy: partsOfPhase)
                        let rows = min(Self.rowsAtATime, source.channels - part * Self.rowsAtATime)
                        let first = phase * source.channels + part * Self.rowsAtATime
                        for point in 0..<Transform.points
                        where source.phases(at: point, inputs: Transform.inputs).contains(phase) {
                            gradientProduct(
                                rows, range.count, v + point * inputStride + first, n + point * outputStride,
                                into: du + point * partStride)
                        }
                        for row in 0..<rows {
                            addFilterGradient(row: first + row, du + row * target.depth, partStride, into: dw)
                        }
                    }
                }
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
                            let inputs = span(source, point)
                            let place = point * filterStride + inputs.start * target.depth
                            gradientProduct(
                                inputs.count, range.count, v + point * inputStride + inputs.start,
                                n + point * outputStride, into: accumulator + part * filterSize + place,
                                accumulate: block > blocks.lowerBound)
                        }
                    }
                }
                loop(source.depth) { _, row in
                    let du = accumulator + row * target.depth
                    for part in 1..<max(1, accumulators) {
                        for point in 0..<Transform.points
                        where source.phases(at: point, inputs: Transform.inputs).contains(row / source.channels) {
                            let sum = vectors(du + point * filterStride)
                            let other = vectors(du + part * filterSize + point * filterStride)
                            for k in 0..<target.depth / lanes { sum[k] += other[k] }
                        }
                    }
                    addFilterGradient(row: row, du, filterStride, into: dw)
                }
            }
        }
    }

    /// Zeroes what no product writes but output transforms read: points at which a phase has no component.
    private func clearSkippedProducts(_ m: FloatPointer) {
        if target.step == 1 { return }
        for point in 0..<Transform.points where target.phases(at: point, inputs: Transform.inputs).count < target.phases
        {
            (m + point * outputStride).update(repeating: 0, count: tiles.block * target.depth)
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

    /// Where the phases with a component at a point begin, and how many channels they have.
    @inline(__always)
    private func span(_ side: WinogradSide, _ point: Int) -> (start: Int, count: Int) {
        let phases = side.phases(at: point, inputs: Transform.inputs)
        return (phases.lowerBound * side.channels, phases.count * side.channels)
    }

    /// The most tiles, `multiple` at least, that a product of `size` multiply-adds a tile takes without packing.
    @inline(__always)
    private func longestRun(_ size: Int, multipleOf multiple: Int, _ count: Int) -> Int {
        guard let limit = MatrixProduct.largestUnpackedProduct else { return max(multiple, count) }
        return max(multiple, limit / size / multiple * multiple)
    }

    /// Multiplies `count` tiles of a point by its filter, panel by panel.
    ///
    /// Panels are narrow and runs of tiles short where OpenBLAS then works on the matrices where they lie, and does not pack
    /// the whole filter anew for every block of tiles. Runs are multiples of the six rows that its kernel takes at a time.
    @inline(__always)
    private func product(_ point: Int, _ count: Int, _ v: FloatPointer, _ u: FloatPointer, _ m: FloatPointer) {
        let inputs = span(source, point)
        for phase in target.phases(at: point, inputs: Transform.inputs) {
            for k in Swift.stride(from: 0, to: target.channels, by: panelWidth) {
                let width = min(panelWidth, target.channels - k)
                let column = phase * target.channels + k
                let panel = u + point * filterStride + column * source.depth + inputs.start * width
                let longest = longestRun(inputs.count * width, multipleOf: 6, count)
                let runs = (count + longest - 1) / longest
                let run = (count / max(1, runs) + 5) / 6 * 6
                for first in Swift.stride(from: 0, to: count, by: max(1, run)) {
                    MatrixProduct.multiply(
                        min(run, count - first), width, inputs.count,
                        v + point * inputStride + first * source.depth + inputs.start, source.depth, panel, width,
                        into: m + point * outputStride + first * target.depth + column, target.depth)
                }
            }
        }
    }

    /// du = vᵀ n for `rows` source channels over `count` tiles, in products that OpenBLAS does not pack either.
    @inline(__always)
    private func gradientProduct(
        _ rows: Int, _ count: Int, _ v: FloatPointer, _ n: FloatPointer, into du: FloatPointer, accumulate: Bool = false
    ) {
        let depth = target.depth
        for k in Swift.stride(from: 0, to: depth, by: 2 * panelWidth) {
            let width = min(2 * panelWidth, depth - k)
            let longest = longestRun(rows * width, multipleOf: 1, count)
            let runs = (count + longest - 1) / longest
            let run = (count + runs - 1) / max(1, runs)
            for first in Swift.stride(from: 0, to: count, by: max(1, run)) {
                MatrixProduct.multiply(
                    rows, width, min(run, count - first), v + first * source.depth, source.depth, transposeA: true,
                    n + first * depth + k, depth, into: du + k, depth, accumulate: accumulate || first > 0)
            }
        }
    }

    /// Input channels whose weight gradient a core takes back to taps at a time.
    private static var rowsAtATime: Int { 32 }

    /// Adds Gᵀ dU G of one row (a source channel of a phase) to `dw`.
    ///
    /// `du` is `[points][target channels]` with `stride` floats between points; a point at which the phase has no
    /// component was written by no product and counts as zero.
    @inline(__always)
    private func addFilterGradient(row: Int, _ du: FloatPointer, _ stride: Int, into dw: FloatPointer) {
        let side = Transform.inputs
        let taps = Transform.taps
        let outputs = target.channels
        let (phase, c) = row.quotientAndRemainder(dividingBy: source.channels)
        withUnsafeTemporaryAllocation(of: Vector.self, capacity: Transform.points + side * taps) { buffer in
            guard let sums = buffer.baseAddress else { return }
            let columns = sums + Transform.points
            for k in Swift.stride(from: 0, to: outputs, by: lanes) {
                for point in 0..<Transform.points {
                    let isPresent = source.phases(at: point, inputs: side).contains(phase)
                    sums[point] = isPresent ? vectors(du + point * stride + k)[0] : .zero
                }
                for j in 0..<side {
                    Transform.filterAdjoint({ sums[$0 &* side &+ j] }, { columns[$0 &* side &+ j] = $1 })
                }
                for i in 0..<taps {
                    Transform.filterAdjoint({ columns[i &* side &+ $0] }) { j, value in
                        guard let tap = source.tap(i, j, ofPhase: phase, rotates: false) else { return }
                        let offset: Int = (tap &* source.channels &+ c) &* outputs &+ k
                        vectors(dw + offset)[0] += value
                    }
                }
            }
        }
    }
}
