import CHardware

extension WinogradConvolution {
    /// Adds the weight gradient of each group of images to its own `dw`, `[3][3][inputChannels][outputChannels]`.
    func weightGradient(_ x: FloatPointer, _ dy: FloatPointer, into dw: [FloatPointer], _ workspace: Workspace) {
        if tiles.count == 0 { return }
        let perBlock = Transform.points * (inputStride + outputStride)
        let loop = workspace.loop
        if tiles.sharesBlock {
            // The sum over a block of tiles is made for some input and output channels at a time and taken back to taps while it
            // is in cache: written whole, it would go to memory and back.
            let part = partOfGradient
            let partStride = part.rows * part.columns + lanes
            let partSize = Transform.points * partStride
            let down = (source.channels + part.rows - 1) / part.rows
            let across = (target.channels + part.columns - 1) / part.columns
            let partsOfGroup = source.phases * down * across
            workspace.withScratch(perBlock + partSize * loop.threads) { v in
                let n = v + Transform.points * inputStride
                let parts = v + perBlock
                for block in 0..<tiles.sharedBlocks {
                    let range = tiles.tiles(ofSharedBlock: block)
                    overRuns(of: range, loop) { _, run in
                        transformInput(x, scale: nil, run, into: v, at: run.lowerBound - range.lowerBound)
                        transformOutputGradient(dy, run, into: n, at: run.lowerBound - range.lowerBound)
                    }
                    loop(dw.count * partsOfGroup) { worker, place in
                        let du = parts + worker * partSize
                        let (group, index) = place.quotientAndRemainder(dividingBy: partsOfGroup)
                        let own = tiles.groups[group].clamped(to: range)
                        if own.isEmpty { return }
                        let skipped = own.lowerBound - range.lowerBound
                        let (row, column) = index.quotientAndRemainder(dividingBy: across)
                        let (phase, inPhase) = row.quotientAndRemainder(dividingBy: down)
                        let rows = min(part.rows, source.channels - inPhase * part.rows)
                        let first = phase * source.channels + inPhase * part.rows
                        let start = column * part.columns
                        let columns = min(part.columns, target.channels - start)
                        var ahead = Prefetch()
                        for point in 0..<Transform.points
                        where source.phases(at: point, inputs: Transform.inputs).contains(phase) {
                            gradientProduct(
                                rows, columns, own.count, v + point * inputStride + skipped * source.depth + first,
                                n + point * outputStride + skipped * target.depth + start,
                                into: du + point * partStride, columns, accumulate: false, &ahead)
                        }
                        for row in 0..<rows {
                            addFilterGradient(
                                row: first + row, columns: start..<start + columns, du + row * columns, partStride,
                                into: dw[group])
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
                                inputs.count, target.depth, range.count, v + point * inputStride + inputs.start,
                                n + point * outputStride, into: accumulator + part * filterSize + place, target.depth,
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
                    addFilterGradient(row: row, columns: 0..<target.channels, du, filterStride, into: dw[group])
                }
            }
        }
    }

    /// du = vᵀ n for `rows` source channels and `columns` target channels over `count` tiles; OpenBLAS is given products that it
    /// does not pack.
    @inline(__always)
    private func gradientProduct(
        _ rows: Int, _ columns: Int, _ count: Int, _ v: FloatPointer, _ n: FloatPointer, into du: FloatPointer,
        _ leading: Int, accumulate: Bool, _ ahead: inout Prefetch
    ) {
        let depth = target.depth
        if usesTileProduct {
            MatrixProduct.count(rows * count * columns, .convolution)
            TileProduct.multiplyTransposed(
                rows, columns, count, v, source.depth, n, depth, into: du, leading, adds: accumulate, ahead: &ahead)
            return
        }
        let width = MatrixProduct.largestUnpackedProduct == nil ? columns : 128
        for k in Swift.stride(from: 0, to: columns, by: width) {
            let width = min(width, columns - k)
            let longest = longestRun(rows * width, multipleOf: 1, count)
            let runs = (count + longest - 1) / longest
            let run = (count + runs - 1) / max(1, runs)
            for first in Swift.stride(from: 0, to: count, by: max(1, run)) {
                MatrixProduct.multiply(
                    rows, width, min(run, count - first), v + first * source.depth, source.depth, transposeA: true,
                    n + first * depth + k, depth, into: du + k, leading, accumulate: accumulate || first > 0)
            }
        }
    }

    /// Whether our own products win: OpenBLAS does where registers hold 8 floats and the sums of all tiles are wide in both
    /// directions.
    private var usesTileProduct: Bool {
        let mayPack = MatrixProduct.largestUnpackedProduct == nil
        return TileProduct.isAvailable && (!mayPack || source.depth * target.depth <= 512 * 512)
    }

    /// Input and output channels whose weight gradient a core makes at a time: for our own products, sums of all points that stay in
    /// 660 KB of L2.
    private var partOfGradient: (rows: Int, columns: Int) {
        usesTileProduct ? (48, min(target.channels, 96)) : (32, target.channels)
    }

    /// Adds Gᵀ dU G of one row (a source channel of a phase) to some target channels of `dw`.
    ///
    /// `du` is `[points][columns]` with `stride` floats between points; a point at which the phase has no
    /// component was written by no product and counts as zero.
    @inline(__always)
    private func addFilterGradient(
        row: Int, columns range: Range<Int>, _ du: FloatPointer, _ stride: Int, into dw: FloatPointer
    ) {
        let side = Transform.inputs
        let taps = Transform.taps
        let outputs = target.channels
        let (phase, c) = row.quotientAndRemainder(dividingBy: source.channels)
        withUnsafeTemporaryAllocation(of: Vector.self, capacity: Transform.points + side * taps) { buffer in
            guard let sums = buffer.baseAddress else { return }
            let columns = sums + Transform.points
            for k in Swift.stride(from: range.lowerBound, to: range.upperBound, by: lanes) {
                for point in 0..<Transform.points {
                    let isPresent = source.phases(at: point, inputs: side).contains(phase)
                    sums[point] = isPresent ? vectors(du + point * stride + k - range.lowerBound)[0] : .zero
                }
                for j in 0..<side {
                    Transform.filterAdjoint({ sums[$0 &* side &+ j] }, { columns[$0 &* side &+ j] = $1 })
                }
                for i in 0..<taps {
                    Transform.filterAdjoint({ columns[i &* side &+ $0] }) { j, value in
                        guard let tap = source.tap(i, j, ofPhase: phase, rotates: false) else { return }
                        let offset: Int = (tap &* source.channels &+ c) &* outputs &+ k
                        // The next row of each tap: the processor does not foresee so many.
                        CHardware_prefetch(dw + (offset &+ outputs))
                        vectors(dw + offset)[0] += value
                    }
                }
            }
        }
    }
}
