extension WinogradConvolution {
    /// Adds the weight gradient of each group of images to its own `dw`, `[3][3][inputChannels][outputChannels]`.
    func weightGradient(_ x: FloatPointer, _ dy: FloatPointer, into dw: [FloatPointer], _ workspace: Workspace) {
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
                for block in 0..<tiles.sharedBlocks {
                    let range = tiles.tiles(ofSharedBlock: block)
                    overRuns(of: range, loop) { _, run in
                        transformInput(x, scale: nil, run, into: v, at: run.lowerBound - range.lowerBound)
                        transformOutputGradient(dy, run, into: n, at: run.lowerBound - range.lowerBound)
                    }
                    let partsOfGroup = source.phases * partsOfPhase
                    loop(dw.count * partsOfGroup) { worker, place in
                        let du = parts + worker * partSize
                        let (group, index) = place.quotientAndRemainder(dividingBy: partsOfGroup)
                        let own = tiles.groups[group].clamped(to: range)
                        if own.isEmpty { return }
                        let skipped = own.lowerBound - range.lowerBound
                        let (phase, part) = index.quotientAndRemainder(dividingBy: partsOfPhase)
                        let rows = min(Self.rowsAtATime, source.channels - part * Self.rowsAtATime)
                        let first = phase * source.channels + part * Self.rowsAtATime
                        var ahead = Prefetch()
                        for point in 0..<Transform.points
                        where source.phases(at: point, inputs: Transform.inputs).contains(phase) {
                            gradientProduct(
                                rows, own.count, v + point * inputStride + skipped * source.depth + first,
                                n + point * outputStride + skipped * target.depth, into: du + point * partStride,
                                accumulate: false, &ahead)
                        }
                        for row in 0..<rows {
                            addFilterGradient(row: first + row, du + row * target.depth, partStride, into: dw[group])
                        }
                    }
                }
            }
        } else {
            let accumulators = tiles.accumulators
            workspace.withScratch(perBlock * loop.threads + filterSize * accumulators) { scratch in
                let accumulator = scratch + perBlock * loop.threads
                loop(accumulators) { worker, part in
                    let v = scratch + worker * perBlock
                    let n = v + Transform.points * inputStride
                    let (group, blocks) = tiles.accumulator(at: part)
                    for block in blocks {
                        let range = tiles.tiles(ofBlock: block, group: group)
                        transformInput(x, scale: nil, range, into: v, at: 0)
                        transformOutputGradient(dy, range, into: n, at: 0)
                        let following = range.upperBound..<min(tiles.count, range.upperBound + tiles.block)
                        var ahead = Prefetch(area(source, x, following), area(target, dy, following))
                        for point in 0..<Transform.points {
                            let inputs = span(source, point)
                            let place = point * filterStride + inputs.start * target.depth
                            gradientProduct(
                                inputs.count, range.count, v + point * inputStride + inputs.start,
                                n + point * outputStride, into: accumulator + part * filterSize + place,
                                accumulate: block > blocks.lowerBound, &ahead)
                        }
                    }
                }
                loop(dw.count * source.depth) { _, place in
                    let (group, row) = place.quotientAndRemainder(dividingBy: source.depth)
                    if tiles.groups[group].isEmpty { return }
                    let du = accumulator + tiles.accumulators(before: group) * filterSize + row * target.depth
                    for part in 1..<tiles.accumulators(ofGroup: group) {
                        for point in 0..<Transform.points
                        where source.phases(at: point, inputs: Transform.inputs).contains(row / source.channels) {
                            let sum = vectors(du + point * filterStride)
                            let other = vectors(du + part * filterSize + point * filterStride)
                            for k in 0..<target.depth / lanes { sum[k] += other[k] }
                        }
                    }
                    addFilterGradient(row: row, du, filterStride, into: dw[group])
                }
            }
        }
    }

    /// du = vᵀ n for `rows` source channels over `count` tiles; OpenBLAS is given products that it does not pack.
    @inline(__always)
    private func gradientProduct(
        _ rows: Int, _ count: Int, _ v: FloatPointer, _ n: FloatPointer, into du: FloatPointer, accumulate: Bool,
        _ ahead: inout Prefetch
    ) {
        let depth = target.depth
        if usesTileProduct {
            MatrixProduct.count(rows * count * depth, .convolution)
            TileProduct.multiplyTransposed(
                rows, depth, count, v, source.depth, n, depth, into: du, depth, adds: accumulate, ahead: &ahead)
            return
        }
        let width = MatrixProduct.largestUnpackedProduct == nil ? depth : 128
        for k in Swift.stride(from: 0, to: depth, by: width) {
            let width = min(width, depth - k)
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

    /// Whether our own products win: OpenBLAS does where the sums of all tiles are wide in both directions, and earlier where it
    /// need not pack.
    private var usesTileProduct: Bool {
        let mayPack = MatrixProduct.largestUnpackedProduct == nil
        return TileProduct.isAvailable && source.depth * target.depth <= (mayPack ? 512 * 256 : 256 * 128)
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
