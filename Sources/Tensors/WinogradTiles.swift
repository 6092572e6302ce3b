/// How a 3×3 stride-1 convolution is cut into Winograd tiles and blocks of tiles; a pure function of its shape.
struct WinogradTiles {
    let geometry: ConvolutionGeometry
    let down: Int
    let across: Int
    let count: Int
    /// Tiles whose transforms live in a core's cache together.
    let block: Int
    /// Whether all cores work on one block, each on its own points.
    ///
    /// So it is where the transformed filter outgrows the caches, and should be streamed once. Otherwise each core takes
    /// whole blocks.
    let sharesBlock: Bool
    /// Tiles that a core transforms at a time when the block is shared.
    static let group = 8

    init(_ geometry: ConvolutionGeometry, outputs: Int) {
        self.geometry = geometry
        down = (geometry.outputHeight + outputs - 1) / outputs
        across = (geometry.outputWidth + outputs - 1) / outputs
        count = geometry.images * down * across
        let channels = geometry.inputChannels + geometry.outputChannels
        let filter = geometry.inputChannels * geometry.outputChannels
        sharesBlock = filter >= 256 * 256
        // Unshared: transforms of a block stay in 700 KB of L2, and products stay below 10⁶ multiply-adds, where
        // OpenBLAS needs no packing.
        let cached = min(4860 / channels, 1_000_000 / filter) / 16 * 16
        block = sharesBlock ? 128 : min(max(cached, 16), 128)
    }

    var blocks: Int { (count + block - 1) / block }
    func tiles(ofBlock index: Int) -> Range<Int> { index * block..<min(count, (index + 1) * block) }

    /// Image, first output row and first output column of a tile.
    @inline(__always)
    func place(_ tile: Int, _ outputs: Int) -> (image: Int, row: Int, column: Int) {
        let (image, rest) = tile.quotientAndRemainder(dividingBy: down * across)
        let (row, column) = rest.quotientAndRemainder(dividingBy: across)
        return (image, row * outputs, column * outputs)
    }
}

extension WinogradConvolution {
    /// Writes Bᵀ d B of tiles `range` to `v`, `[points][tiles of the block][channels]`, from place `first` on.
    @inline(__always)
    func transformInput(_ x: FloatPointer, _ range: Range<Int>, into v: FloatPointer, at first: Int) {
        let side = Transform.inputs
        let channels = geometry.inputChannels
        let rowStep = geometry.width * channels / lanes
        let columnStep = channels / lanes
        withUnsafeTemporaryAllocation(of: Vector.self, capacity: 2 * Transform.points) { buffer in
            guard let padded = buffer.baseAddress else { return }
            let columns = padded + Transform.points
            for tile in range {
                let place = tiles.place(tile, Transform.outputs)
                let top = place.row - 1
                let left = place.column - 1
                let rows = max(0, -top)..<min(side, geometry.height - top)
                let columnsInside = max(0, -left)..<min(side, geometry.width - left)
                let isInside = rows.count == side && columnsInside.count == side
                // The address may lie outside of the map; only positions inside are followed.
                let corner = x + ((place.image * geometry.height + top) * geometry.width + left) * channels
                if !isInside { padded.update(repeating: .zero, count: Transform.points) }
                let target = v + (first + tile - range.lowerBound) * channels
                for channel in Swift.stride(from: 0, to: channels, by: lanes) {
                    let source = vectors(corner + channel)
                    if isInside {
                        for j in 0..<side { Transform.input(source + j * columnStep, rowStep, columns + j, side) }
                    } else {
                        for i in rows {
                            for j in columnsInside { padded[i * side + j] = source[i * rowStep + j * columnStep] }
                        }
                        for j in 0..<side { Transform.input(padded + j, side, columns + j, side) }
                    }
                    for i in 0..<side {
                        Transform.input(
                            columns + i * side, 1, vectors(target + i * side * inputStride + channel),
                            inputStride / lanes)
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
        let channels = geometry.outputChannels
        let rowStep = geometry.width * channels / lanes
        let columnStep = channels / lanes
        withUnsafeTemporaryAllocation(of: Vector.self, capacity: 2 * Transform.points) { buffer in
            guard let padded = buffer.baseAddress else { return }
            let columns = padded + Transform.points
            for tile in range {
                let place = tiles.place(tile, outputs)
                let rows = min(outputs, geometry.height - place.row)
                let columnsInside = min(outputs, geometry.width - place.column)
                let isInside = rows == outputs && columnsInside == outputs
                let pixel = (place.image * geometry.height + place.row) * geometry.width + place.column
                let corner = dy + pixel * channels
                if !isInside { padded.update(repeating: .zero, count: outputs * outputs) }
                let target = m + (first + tile - range.lowerBound) * channels
                for channel in Swift.stride(from: 0, to: channels, by: lanes) {
                    let source = vectors(corner + channel)
                    if isInside {
                        for j in 0..<outputs {
                            Transform.outputAdjoint(source + j * columnStep, rowStep, columns + j, outputs)
                        }
                    } else {
                        for i in 0..<rows {
                            for j in 0..<columnsInside {
                                padded[i * outputs + j] = source[i * rowStep + j * columnStep]
                            }
                        }
                        for j in 0..<outputs { Transform.outputAdjoint(padded + j, outputs, columns + j, outputs) }
                    }
                    for i in 0..<side {
                        Transform.outputAdjoint(
                            columns + i * outputs, 1, vectors(target + i * side * outputStride + channel),
                            outputStride / lanes)
                    }
                }
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
        let channels = geometry.outputChannels
        let statistics = epilogue.statistics.map { vectors($0 + chunk * 2 * channels) }
        if let statistics { statistics.update(repeating: .zero, count: 2 * channels / lanes) }
        withUnsafeTemporaryAllocation(of: Vector.self, capacity: Transform.points + outputs) { buffer in
            guard let columns = buffer.baseAddress else { return }
            let finished = columns + Transform.points
            for tile in range {
                let place = tiles.place(tile, outputs)
                let rows = min(outputs, geometry.height - place.row)
                let columnsInside = min(outputs, geometry.width - place.column)
                let corner = ((place.image * geometry.height + place.row) * geometry.width + place.column) * channels
                let source = m + (first + tile - range.lowerBound) * channels
                for channel in Swift.stride(from: 0, to: channels, by: lanes) {
                    for j in 0..<side {
                        Transform.output(
                            vectors(source + j * outputStride + channel), side * outputStride / lanes, columns + j, side
                        )
                    }
                    let bias = epilogue.bias.map { vectors($0 + channel)[0] } ?? .zero
                    let center = epilogue.center.map { vectors($0 + channel)[0] } ?? .zero
                    var sum = Vector.zero
                    var squares = Vector.zero
                    for i in 0..<rows {
                        Transform.output(columns + i * side, 1, finished, 1)
                        let row = corner + i * geometry.width * channels + channel
                        for j in 0..<columnsInside {
                            let position = row + j * channels
                            var value = finished[j] + bias
                            if let addend = epilogue.addend { value += vectors(addend + position)[0] }
                            if epilogue.rectifies { value = rectified(value) }
                            if let mask = epilogue.mask { value = gated(value, by: vectors(mask + position)[0]) }
                            vectors(y + position)[0] = value
                            if statistics != nil {
                                value -= center
                                sum += value
                                squares += value * value
                            }
                        }
                    }
                    if let statistics {
                        statistics[channel / lanes] += sum
                        statistics[(channels + channel) / lanes] += squares
                    }
                }
            }
        }
    }
}
