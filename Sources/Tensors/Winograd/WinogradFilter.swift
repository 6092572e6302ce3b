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
        if !rotates {
            transform(into: u, workspace) { tap, c, k in
                let offset: Int = (tap &* inputs &+ c) &* outputs &+ k
                return vectors(weights + offset)[0]
            }
            return
        }
        // Each tap is transposed once, so that every product multiplies plain matrices: OpenBLAS is 20 to 35% slower
        // with a transposed second factor at these sizes.
        workspace.withScratch(9 * inputs * outputs) { transposed in
            workspace.loop(9) { _, tap in
                let offset = tap * inputs * outputs
                MatrixProduct.transpose(outputs, inputs, weights + offset, into: transposed + offset)
            }
            transform(into: u, workspace) { tap, c, k in
                let offset: Int = (tap &* inputs &+ c) &* outputs &+ k
                return vectors(transposed + offset)[0]
            }
        }
    }

    /// Transforms a filter whose 16 values at (layer's tap, source channel, first target channel) are given by `value`.
    @inline(__always)
    private func transform(
        into u: FloatPointer, _ workspace: Workspace, _ value: (_ tap: Int, _ c: Int, _ k: Int) -> Vector
    ) {
        if panelWidth == lanes {
            transformPanels(into: u, workspace, value)
        } else {
            transformRows(into: u, workspace, value)
        }
    }

    /// Transforms 16 target channels at a time: what belongs to a point then lies one line behind the other.
    @inline(__always)
    private func transformPanels(
        into u: FloatPointer, _ workspace: Workspace, _ value: (_ tap: Int, _ c: Int, _ k: Int) -> Vector
    ) {
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
            withUnsafeTemporaryAllocation(of: Vector.self, capacity: filterScratch + Transform.points) { buffer in
                guard let filter = buffer.baseAddress else { return }
                if packing == 2 {
                    let even = filter + filterScratch
                    for c in Swift.stride(from: 0, to: source.channels, by: 2) {
                        transform(filter, phased, phase, { value($0, c, k) }) { point, value in even[point] = value }
                        transform(filter, phased, phase, { value($0, c &+ 1, k) }) { point, value in
                            put(CHardware_pairs(even[point], value), point: point, row: c / 2)
                        }
                    }
                    return
                }
                for c in 0..<source.channels {
                    transform(filter, phased, phase, { value($0, c, k) }) { point, value in
                        put(value, point: point, row: c)
                    }
                }
            }
        }
    }

    /// Transforms one source channel at a time for all points into a small buffer, then copies whole rows to their panels:
    /// writing all points 64 bytes at a time at a large distance is several times slower.
    @inline(__always)
    private func transformRows(
        into u: FloatPointer, _ workspace: Workspace, _ value: (_ tap: Int, _ c: Int, _ k: Int) -> Vector
    ) {
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
                    withUnsafeTemporaryAllocation(of: Vector.self, capacity: filterScratch) { buffer in
                        guard let filter = buffer.baseAddress else { return }
                        for k in Swift.stride(from: 0, to: outputs, by: lanes) {
                            transform(filter, phased, phase, { value($0, c, k) }) { point, value in
                                let offset: Int = point &* rowStride &+ place &+ k
                                vectors(row + offset)[0] = value
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

    /// Transforms the filter of a phase for one source channel and 16 target channels, whose taps `value` gives, and hands out the
    /// values of all points.
    @inline(__always)
    private func transform(
        _ filter: UnsafeMutablePointer<Vector>, _ phased: WinogradSide, _ phase: Int, _ value: (_ tap: Int) -> Vector,
        _ put: (_ point: Int, Vector) -> Void
    ) {
        let side = Transform.inputs
        let taps = Transform.taps
        let columns = filter + taps * taps
        for i in 0..<taps {
            for j in 0..<taps {
                filter[i * taps + j] = phased.tap(i, j, ofPhase: phase, rotates: rotates).map { value($0) } ?? .zero
            }
        }
        for j in 0..<taps { Transform.filter({ filter[$0 &* taps &+ j] }, { columns[$0 &* taps &+ j] = $1 }) }
        for i in 0..<side {
            Transform.filter({ columns[i &* taps &+ $0] }) { j, value in put(i &* side &+ j, value) }
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
