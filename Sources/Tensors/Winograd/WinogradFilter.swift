import CHardware

extension WinogradConvolution {
    /// Writes the transforms G g Gᵀ of a layer's filter to `u`.
    ///
    /// The layout is `[points][target phases][panels][source depth][channels of the panel]`: the output channels of a phase
    /// are cut into panels of ``panelWidth``, the last one with the rest. Where ``packing`` is 2, pairs of neighbouring source
    /// channels lie together: `[source depth / 2][channels of the panel][2]`.
    ///
    /// - Parameter weights: The layer's filter, HWIO.
    func transformFilter(_ weights: FloatPointer, into u: FloatPointer, _ workspace: Workspace) {
        let (inputs, outputs) = (source.channels, target.channels)
        if !rotates { return transform(weights, into: u, workspace) }
        // Each tap is transposed once, so that every product multiplies plain matrices: OpenBLAS is 20 to 35% slower
        // with a transposed second factor at these sizes.
        workspace.withScratch(9 * inputs * outputs) { transposed in
            workspace.loop(9) { _, tap in
                let offset = tap * inputs * outputs
                MatrixProduct.transpose(outputs, inputs, weights + offset, into: transposed + offset)
            }
            transform(transposed, into: u, workspace)
        }
    }

    /// Transforms a filter of rows `[tap of the layer][source channel][target channel]`.
    private func transform(_ rows: FloatPointer, into u: FloatPointer, _ workspace: Workspace) {
        if panelWidth == lanes {
            transformPanels(rows, into: u, workspace)
        } else {
            transformRows(rows, into: u, workspace)
        }
    }

    /// Transforms 16 target channels at a time: what belongs to a point then lies one line behind the other.
    private func transformPanels(_ rows: FloatPointer, into u: FloatPointer, _ workspace: Workspace) {
        let phased = source.step == 2 ? source : target
        let streams = filterSize >= Self.cachedFilter
        workspace.loop(phased.phases * target.channels / lanes) { _, place in
            let (phase, panel) = place.quotientAndRemainder(dividingBy: target.channels / lanes)
            let k = panel * lanes
            let column = target.step == 2 ? phase * target.channels + k : k
            let firstRow = source.step == 2 ? phase * source.channels : 0
            let start = u + (column * source.depth + firstRow * lanes) / packing
            @inline(__always)
            func put(_ value: Vector, point: Int, row: Int) {
                let offset: Int = point &* filterStride &+ row &* lanes
                if streams { CHardware_stream(value, start + offset) } else { vectors(start + offset)[0] = value }
            }
            defer { if streams { CHardware_endStream() } }
            withTaps(ofPhase: phase, phased) { taps in
                withUnsafeTemporaryAllocation(of: Vector.self, capacity: filterScratch + Transform.points) { buffer in
                    guard let filter = buffer.baseAddress else { return }
                    let even = filter + filterScratch
                    for c in 0..<source.channels {
                        let row = rows + (c &* target.channels &+ k)
                        // The rows of all taps are far apart: the processor does not foresee them.
                        for tap in taps where tap >= 0 { CHardware_prefetch(row + (tap &+ 8 &* target.channels)) }
                        if packing == 1 {
                            transform(filter, taps, row) { point, value in put(value, point: point, row: c) }
                        } else if c.isMultiple(of: 2) {
                            transform(filter, taps, row) { point, value in even[point] = value }
                        } else {
                            transform(filter, taps, row) { point, value in
                                put(CHardware_pairs(even[point], value), point: point, row: c / 2)
                            }
                        }
                    }
                }
            }
        }
    }

    /// Transforms one source channel at a time for all points into a small buffer, then copies whole rows to their panels:
    /// writing all points 64 bytes at a time at a large distance is several times slower.
    private func transformRows(_ filter: FloatPointer, into u: FloatPointer, _ workspace: Workspace) {
        let outputs = target.channels
        let phased = source.step == 2 ? source : target
        let rowStride = target.depth + lanes
        let rowSize = Transform.points * rowStride
        let loop = workspace.loop
        workspace.withScratch(rowSize * loop.threads) { rows in
            loop(source.channels) { worker, c in
                let row = rows + worker * rowSize
                for phase in 0..<phased.phases {
                    let place = target.step == 2 ? phase * outputs : 0
                    withTaps(ofPhase: phase, phased) { taps in
                        withUnsafeTemporaryAllocation(of: Vector.self, capacity: filterScratch) { buffer in
                            guard let scratch = buffer.baseAddress else { return }
                            for k in Swift.stride(from: 0, to: outputs, by: lanes) {
                                transform(scratch, taps, filter + (c * outputs + k)) { point, value in
                                    let offset: Int = point &* rowStride &+ place &+ k
                                    vectors(row + offset)[0] = value
                                }
                            }
                        }
                    }
                    if source.step == 2 { copy(row, rowStride, to: u, sourceRow: phase * source.channels + c) }
                }
                if source.step == 1 { copy(row, rowStride, to: u, sourceRow: c) }
            }
        }
    }

    /// Floats up to which a filter is still in a cache when it is used: a larger one is written past the caches, which spares
    /// reading every line that is to be written.
    private static var cachedFilter: Int { 1 << 21 }

    /// Vectors that the transform of one filter needs.
    private var filterScratch: Int { Transform.taps * (Transform.taps + Transform.inputs) }

    /// Calls `body` with where each tap of a phase's filter lies, in floats from the layer's first one; -1 where it has none.
    @inline(__always)
    private func withTaps(
        ofPhase phase: Int, _ phased: WinogradSide, _ body: (UnsafeMutableBufferPointer<Int>) -> Void
    ) {
        let side = Transform.taps
        withUnsafeTemporaryAllocation(of: Int.self, capacity: side * side) { taps in
            for place in 0..<side * side {
                let tap = phased.tap(place / side, place % side, ofPhase: phase, rotates: rotates)
                taps[place] = tap.map { $0 * source.channels * target.channels } ?? -1
            }
            body(taps)
        }
    }

    /// Transforms the filter of a phase for one source channel and 16 target channels, `row` those of the layer's first tap, and
    /// hands out the values of all points.
    @inline(__always)
    private func transform(
        _ filter: UnsafeMutablePointer<Vector>, _ taps: UnsafeMutableBufferPointer<Int>, _ row: FloatPointer,
        _ put: (_ point: Int, Vector) -> Void
    ) {
        let side = Transform.inputs
        let across = Transform.taps
        let columns = filter + across * across
        for place in 0..<across * across {
            let tap = taps[place]
            filter[place] = tap >= 0 ? vectors(row + tap)[0] : .zero
        }
        for j in 0..<across { Transform.filter({ filter[$0 &* across &+ j] }, { columns[$0 &* across &+ j] = $1 }) }
        for i in 0..<side {
            Transform.filter({ columns[i &* across &+ $0] }) { j, value in put(i &* side &+ j, value) }
        }
    }

    /// Copies one source channel's row, `[points][target depth]`, to its place in each panel.
    @inline(__always)
    private func copy(_ row: FloatPointer, _ rowStride: Int, to u: FloatPointer, sourceRow: Int) {
        for point in 0..<Transform.points {
            for phase in 0..<target.phases {
                for k in Swift.stride(from: 0, to: target.channels, by: panelWidth) {
                    let width = min(panelWidth, target.channels - k)
                    let column = phase * target.channels + k
                    (u + point * filterStride + column * source.depth + sourceRow * width).update(
                        from: row + point * rowStride + column, count: width)
                }
            }
        }
    }
}
