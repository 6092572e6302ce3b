import CHardware

extension WinogradConvolution {
    /// Writes Bᵀ d B of tiles `range` to `v`, `[points][tiles of the block][source depth]`, from place `first` on.
    /// - Parameter scale: Multiplies each channel of the map, or nil.
    @inline(__always)
    func transformInput(
        _ x: FloatPointer, scale: FloatPointer?, _ range: Range<Int>, into v: FloatPointer, at first: Int
    ) {
        if TileProduct.multipliesPairs && packing == 2 {
            transformInput(x, scale: scale, range, at: first) { offset, value in
                CHardware_storePairs(value, v + offset / 2)
            }
        } else {
            transformInput(x, scale: scale, range, at: first) { offset, value in vectors(v + offset)[0] = value }
        }
    }

    /// Hands out the vectors of Bᵀ d B, with their place among the channels of all points.
    @inline(__always)
    private func transformInput(
        _ x: FloatPointer, scale: FloatPointer?, _ range: Range<Int>, at first: Int,
        _ put: (_ offset: Int, Vector) -> Void
    ) {
        let factors = scale.map { vectors($0) }
        let side = Transform.inputs
        let channels = source.channels
        withUnsafeTemporaryAllocation(of: Vector.self, capacity: Transform.points + channels / lanes) { buffer in
            guard let columns = buffer.baseAddress else { return }
            let zeros = columns + Transform.points
            zeros.update(repeating: .zero, count: channels / lanes)
            withUnsafeTemporaryAllocation(of: VectorPointer.self, capacity: Transform.points) { buffer in
                guard let samples = buffer.baseAddress else { return }
                for tile in range {
                    for phase in 0..<source.phases {
                        locate(
                            tile, phase, source, side: side, samples, outside: zeros,
                            in: vectors(x))
                        let offset: Int = (first &+ tile &- range.lowerBound) &* source.depth &+ phase &* channels
                        let pointStep = inputStride &* packing
                        for channel in 0..<channels / lanes {
                            if let factor = factors?[channel] {
                                for j in 0..<side {
                                    Transform.input(
                                        { samples[$0 &* side &+ j][channel] * factor },
                                        { columns[$0 &* side &+ j] = $1 })
                                }
                            } else {
                                for j in 0..<side {
                                    Transform.input(
                                        { samples[$0 &* side &+ j][channel] }, { columns[$0 &* side &+ j] = $1 })
                                }
                            }
                            for i in 0..<side {
                                Transform.input(
                                    { columns[i &* side &+ $0] },
                                    { put(offset &+ (i &* side &+ $0) &* pointStep &+ channel &* lanes, $1) })
                            }
                        }
                    }
                }
            }
        }
    }

    /// Writes A dy Aᵀ of tiles `range` to `m`, `[points][tiles of the block][channels]`; dy is zero outside the map.
    @inline(__always)
    func transformOutputGradient(_ dy: FloatPointer, _ range: Range<Int>, into m: FloatPointer, at first: Int) {
        let side = Transform.inputs
        let outputs = Transform.outputs
        let channels = target.channels
        withUnsafeTemporaryAllocation(of: Vector.self, capacity: Transform.points + channels / lanes) { buffer in
            guard let columns = buffer.baseAddress else { return }
            let zeros = columns + Transform.points
            zeros.update(repeating: .zero, count: channels / lanes)
            withUnsafeTemporaryAllocation(of: VectorPointer.self, capacity: Transform.points) { buffer in
                guard let samples = buffer.baseAddress else { return }
                for tile in range {
                    locate(
                        tile, 0, target, side: outputs, samples, outside: zeros,
                        in: vectors(dy))
                    let offset: Int = (first &+ tile &- range.lowerBound) &* channels
                    let place = vectors(m + offset)
                    let pointStep = outputStride / lanes
                    for channel in 0..<channels / lanes {
                        for j in 0..<outputs {
                            Transform.outputAdjoint(
                                { samples[$0 &* outputs &+ j][channel] }, { columns[$0 &* outputs &+ j] = $1 })
                        }
                        for i in 0..<side {
                            Transform.outputAdjoint(
                                { columns[i &* outputs &+ $0] },
                                { place[(i &* side &+ $0) &* pointStep &+ channel] = $1 })
                        }
                    }
                }
            }
        }
    }

    /// Finds the `side`² samples of a tile in one phase of a map; those outside of the map are at `outside`.
    @inline(__always)
    private func locate(
        _ tile: Int, _ phase: Int, _ map: WinogradSide, side: Int, _ samples: UnsafeMutablePointer<VectorPointer>,
        outside: VectorPointer, in pixels: VectorPointer
    ) {
        let place = tiles.place(tile)
        let origin = map.origin(ofPhase: phase)
        let top = place.row * Transform.outputs * map.step + origin.row
        let left = place.column * Transform.outputs * map.step + origin.column
        let pixelSize = map.channels / lanes
        for i in 0..<side {
            let row = top &+ i &* map.step
            let isRow = row >= 0 && row < map.height
            let start = ((place.image &* map.height &+ row) &* map.width &+ left) &* pixelSize
            for j in 0..<side {
                let column = left &+ j &* map.step
                let isInside = isRow && column >= 0 && column < map.width
                samples[i &* side &+ j] = isInside ? pixels + (start &+ j &* map.step &* pixelSize) : outside
            }
        }
    }

    /// Writes Aᵀ m A of tiles `range`, taken from `m` at place `first` on, to `y`; statistics go to pair `chunk`.
    @inline(__always)
    func transformOutput(
        _ m: FloatPointer, at first: Int, _ range: Range<Int>, into y: FloatPointer, _ epilogue: Epilogue, chunk: Int
    ) {
        let side = Transform.inputs
        let outputs = Transform.outputs
        let channels = target.channels
        let pixelSize = channels / lanes
        let statistics = epilogue.statistics.map { vectors($0 + chunk * 2 * channels) }
        if let statistics { statistics.update(repeating: .zero, count: 2 * pixelSize) }
        let addend = epilogue.addend.map { vectors($0) }
        let mask = epilogue.mask.map { vectors($0) }
        let scale = epilogue.scale.map { vectors($0) }
        let bias = epilogue.bias.map { vectors($0) }
        let center = epilogue.center.map { vectors($0) }
        let rectifies = epilogue.rectifies
        let finishedMap = vectors(y)
        withUnsafeTemporaryAllocation(of: Vector.self, capacity: Transform.points + outputs) { buffer in
            guard let columns = buffer.baseAddress else { return }
            let finished = columns + Transform.points
            for tile in range {
                let place = tiles.place(tile)
                for phase in 0..<target.phases {
                    let origin = target.origin(ofPhase: phase)
                    let top = place.row * outputs * target.step + origin.row
                    let left = place.column * outputs * target.step + origin.column
                    let rows = min(outputs, (target.height - top + target.step - 1) / target.step)
                    let across = min(outputs, (target.width - left + target.step - 1) / target.step)
                    let corner = ((place.image * target.height + top) * target.width + left) * pixelSize
                    let rowSize = target.step * target.width * pixelSize
                    let columnSize = target.step * pixelSize
                    let offset: Int = (first &+ tile &- range.lowerBound) &* target.depth &+ phase &* channels
                    let source = vectors(m + offset)
                    let pointStep = outputStride / lanes
                    for channel in 0..<pixelSize {
                        for j in 0..<side {
                            Transform.output(
                                { source[($0 &* side &+ j) &* pointStep &+ channel] },
                                { columns[$0 &* side &+ j] = $1 })
                        }
                        let factor = scale.map { $0[channel] } ?? Vector(repeating: 1)
                        let shift = bias.map { $0[channel] } ?? .zero
                        let middle = center.map { $0[channel] } ?? .zero
                        var sum = Vector.zero
                        var squares = Vector.zero
                        for i in 0..<rows {
                            Transform.output({ columns[i &* side &+ $0] }, { finished[$0] = $1 * factor + shift })
                            var position = corner &+ i &* rowSize &+ channel
                            for j in 0..<across {
                                var value = finished[j]
                                if let addend { value += addend[position] }
                                if rectifies { value = rectified(value) }
                                if let mask { value = gated(value, by: mask[position]) }
                                finishedMap[position] = value
                                if statistics != nil {
                                    value -= middle
                                    sum += value
                                    squares += value * value
                                }
                                position &+= columnSize
                            }
                        }
                        if let statistics {
                            statistics[channel] += sum
                            statistics[pixelSize &+ channel] += squares
                        }
                    }
                }
            }
        }
    }
}
