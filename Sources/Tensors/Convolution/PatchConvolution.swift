/// A convolution of any shape by matrix products over gathered patches (im2col), in blocks that stay in cache.
///
/// A 1×1 convolution with stride 1 needs no gathering: its patches are the input itself.
struct PatchConvolution {
    let geometry: ConvolutionGeometry
    /// Consecutive images that meet a filter of their own.
    let groups: [Range<Int>]
    /// Whether gradients are carried from the layer's outputs to its inputs.
    let rotates: Bool
    private let outputMap: Int
    private let inputMap: Int

    /// Output pixels of a block; a multiple of 16 so that blocks begin at a whole channel period.
    private static let blockPixels = 256

    init(_ geometry: ConvolutionGeometry, groups: [Range<Int>], rotates: Bool = false) {
        self.geometry = geometry
        self.groups = groups
        self.rotates = rotates
        outputMap = geometry.outputHeight * geometry.outputWidth
        inputMap = geometry.height * geometry.width
    }

    var multiplyAdds: Int { geometry.directMultiplyAdds }
    /// Floats of a filter.
    var filterSize: Int { geometry.patchSize * geometry.outputChannels }
    /// Pairs of partial sums that a forward pass with statistics writes.
    var statisticsChunks: Int { ConsecutiveChunks.count(groups: groups.count, sizes: blocks(ofGroup:)) }
    private func blocks(ofGroup group: Int) -> Int {
        (groups[group].count * outputMap + Self.blockPixels - 1) / Self.blockPixels
    }
    private var gathers: Bool { geometry.kernel > 1 || geometry.stride > 1 || geometry.padding > 0 }

    /// Carries values forward, or gradients back if it ``rotates``.
    ///
    /// - Parameters:
    ///   - scale: Multiplies each channel of a gradient that is carried back, or nil.
    ///   - filters: One of each group, HWIO.
    func carry(
        _ x: FloatPointer, scale: FloatPointer?, _ filters: [FloatPointer], into y: FloatPointer, _ epilogue: Epilogue,
        _ workspace: Workspace
    ) {
        if rotates {
            inputGradient(x, scale: scale, filters, into: y, epilogue, workspace)
        } else {
            precondition(scale == nil, "inputs are scaled on the way back only")
            forward(x, filters, into: y, epilogue, workspace)
        }
    }

    /// Computes y = conv(x, filter) with HWIO filters.
    private func forward(
        _ x: FloatPointer, _ filters: [FloatPointer], into y: FloatPointer, _ epilogue: Epilogue, _ workspace: Workspace
    ) {
        let (patch, outputs) = (geometry.patchSize, geometry.outputChannels)
        let period = ChannelPeriod(outputs)
        let loop = workspace.loop
        let scratchSize = gathers ? Self.blockPixels * patch : 0
        workspace.withScratch(scratchSize * loop.threads) { scratch in
            loop(statisticsChunks) { worker, chunk in
                let (group, block) = ConsecutiveChunks.locate(chunk, groups: groups.count, sizes: blocks(ofGroup:))
                let pixels = pixels(ofBlock: block, group: group)
                let images = groups[group].lowerBound
                let source = x + images * inputMap * geometry.inputChannels
                let start = images * outputMap * outputs
                var rows = source + pixels.lowerBound * patch
                if gathers {
                    rows = scratch + worker * scratchSize
                    gather(source, pixels, into: rows)
                }
                MatrixProduct.multiply(
                    pixels.count, outputs, patch, rows, patch, filters[group], outputs,
                    into: y + start + pixels.lowerBound * outputs, outputs)
                epilogue.advanced(toElement: start).apply(
                    to: y + start, from: pixels.lowerBound * outputs, pixels: pixels.count, period: period, chunk: chunk
                )
            }
        }
    }

    /// Computes dx = convᵀ(dy · scale, filter); the epilogue sees dx.
    private func inputGradient(
        _ dy: FloatPointer, scale: FloatPointer?, _ filters: [FloatPointer], into dx: FloatPointer,
        _ epilogue: Epilogue,
        _ workspace: Workspace
    ) {
        let (patch, outputs, inputs) = (geometry.patchSize, geometry.outputChannels, geometry.inputChannels)
        let period = ChannelPeriod(inputs)
        let loop = workspace.loop
        // Whole images a chunk, since patches of one image overlap; at least 16, so that chunks begin at a period.
        let images = max(1, Self.blockPixels / outputMap)
        let imagesPerChunk = (images * inputMap) % 16 == 0 ? images : 16
        func chunks(_ group: Int) -> Int { (groups[group].count + imagesPerChunk - 1) / imagesPerChunk }
        let rowsSize = gathers ? Self.blockPixels * patch : 0
        let scratchSize = rowsSize + (scale == nil ? 0 : Self.blockPixels * outputs)
        workspace.withScratch(scratchSize * loop.threads) { scratch in
            loop(ConsecutiveChunks.count(groups: groups.count, sizes: chunks)) { worker, chunk in
                let (group, index) = ConsecutiveChunks.locate(chunk, groups: groups.count, sizes: chunks)
                let filter = filters[group]
                let dx = dx + groups[group].lowerBound * inputMap * inputs
                let dy = dy + groups[group].lowerBound * outputMap * outputs
                let first = index * imagesPerChunk
                let end = min(groups[group].count, first + imagesPerChunk)
                let start = first * inputMap * inputs
                let rows = scratch + worker * scratchSize
                if gathers { (dx + start).update(repeating: 0, count: (end - first) * inputMap * inputs) }
                var pixel = first * outputMap
                while pixel < end * outputMap {
                    let block = pixel..<min(end * outputMap, pixel + Self.blockPixels)
                    var gradient = dy + pixel * outputs
                    if let scale {
                        scaleRows(gradient, block.count, by: scale, into: rows + rowsSize)
                        gradient = rows + rowsSize
                    }
                    MatrixProduct.multiply(
                        block.count, patch, outputs, gradient, outputs, filter, outputs, transposeB: true,
                        into: gathers ? rows : dx + pixel * inputs, patch)
                    if gathers { scatterAdd(rows, block, into: dx) }
                    pixel = block.upperBound
                }
                epilogue.advanced(toElement: groups[group].lowerBound * inputMap * inputs).apply(
                    to: dx, from: start, pixels: (end - first) * inputMap, period: period, chunk: chunk)
            }
        }
    }

    /// Adds the weight gradient of each group of images to its own `dw`, HWIO.
    func weightGradient(_ x: FloatPointer, _ dy: FloatPointer, into dw: [FloatPointer], _ workspace: Workspace) {
        if geometry.outputPixels == 0 { return }
        let (patch, outputs) = (geometry.patchSize, geometry.outputChannels)
        let loop = workspace.loop
        // A fixed number of accumulators, added in order, makes the sum independent of the thread count.
        func accumulators(_ group: Int) -> Int { min(4, (blocks(ofGroup: group) + 3) / 4) }
        let count = ConsecutiveChunks.count(groups: groups.count, sizes: accumulators)
        let scratchSize = gathers ? Self.blockPixels * patch : 0
        let size = (patch * outputs + lanes - 1) / lanes * lanes
        workspace.withScratch(scratchSize * loop.threads + size * count) { scratch in
            let sums = scratch + scratchSize * loop.threads
            loop(count) { worker, place in
                let (group, part) = ConsecutiveChunks.locate(place, groups: groups.count, sizes: accumulators)
                let (parts, blocks) = (accumulators(group), blocks(ofGroup: group))
                let x = x + groups[group].lowerBound * inputMap * geometry.inputChannels
                let dy = dy + groups[group].lowerBound * outputMap * outputs
                let range = part * blocks / parts..<(part + 1) * blocks / parts
                for block in range {
                    let pixels = pixels(ofBlock: block, group: group)
                    var rows = x + pixels.lowerBound * patch
                    if gathers {
                        rows = scratch + worker * scratchSize
                        gather(x, pixels, into: rows)
                    }
                    MatrixProduct.multiply(
                        patch, outputs, pixels.count, rows, patch, transposeA: true, dy + pixels.lowerBound * outputs,
                        outputs, into: sums + place * size, outputs, accumulate: block > range.lowerBound)
                }
            }
            for place in 0..<count {
                let group = ConsecutiveChunks.locate(place, groups: groups.count, sizes: accumulators).group
                add(sums + place * size, to: dw[group], patch * outputs)
            }
        }
    }

    /// The output pixels of a block, counted from the first of its group.
    private func pixels(ofBlock block: Int, group: Int) -> Range<Int> {
        block * Self.blockPixels..<min(groups[group].count * outputMap, (block + 1) * Self.blockPixels)
    }

    /// Calls `body` for the kernel rows of an output pixel.
    ///
    /// It gets the kernel row, its taps inside the map, and the element of the map under the first of them. The valid taps of a row are contiguous in NHWC.
    @inline(__always)
    private func forEachKernelRow(_ pixel: Int, _ body: (_ row: Int, _ taps: Range<Int>, _ source: Int) -> Void) {
        let (image, rest) = pixel.quotientAndRemainder(dividingBy: outputMap)
        let (outputRow, outputColumn) = rest.quotientAndRemainder(dividingBy: geometry.outputWidth)
        let top = outputRow * geometry.stride - geometry.padding
        let left = outputColumn * geometry.stride - geometry.padding
        let firstTap = max(0, -left)
        let taps = firstTap..<max(firstTap, min(geometry.kernel, geometry.width - left))
        for row in 0..<geometry.kernel {
            let y = top + row
            if y < 0 || y >= geometry.height {
                body(row, 0..<0, 0)
            } else {
                let position = (image * geometry.height + y) * geometry.width + left + firstTap
                body(row, taps, position * geometry.inputChannels)
            }
        }
    }

    private func gather(_ x: FloatPointer, _ pixels: Range<Int>, into rows: FloatPointer) {
        let channels = geometry.inputChannels
        let rowSize = geometry.kernel * channels
        for pixel in pixels {
            let target = rows + (pixel - pixels.lowerBound) * geometry.patchSize
            forEachKernelRow(pixel) { row, taps, source in
                let place = target + row * rowSize
                if taps.count < geometry.kernel { place.update(repeating: 0, count: rowSize) }
                (place + taps.lowerBound * channels).update(from: x + source, count: taps.count * channels)
            }
        }
    }

    private func scatterAdd(_ rows: FloatPointer, _ pixels: Range<Int>, into dx: FloatPointer) {
        let channels = geometry.inputChannels
        for pixel in pixels {
            let source = rows + (pixel - pixels.lowerBound) * geometry.patchSize
            forEachKernelRow(pixel) { row, taps, target in
                let place = source + (row * geometry.kernel + taps.lowerBound) * channels
                add(place, to: dx + target, taps.count * channels)
            }
        }
    }

    /// Writes `count` rows of output channels, each channel times its factor.
    private func scaleRows(
        _ source: FloatPointer, _ count: Int, by scale: FloatPointer, into target: FloatPointer
    ) {
        let outputs = geometry.outputChannels
        for row in 0..<count {
            let (from, to) = (source + row * outputs, target + row * outputs)
            var offset = 0
            while offset < outputs {
                let lanes = min(lanes, outputs - offset)
                store(load(from + offset, lanes) * load(scale + offset, lanes), to + offset, lanes)
                offset += lanes
            }
        }
    }

    /// target += source, elementwise.
    @inline(__always)
    private func add(_ source: FloatPointer, to target: FloatPointer, _ count: Int) {
        var offset = 0
        while offset + lanes <= count {
            store(load(target + offset, lanes) + load(source + offset, lanes), target + offset, lanes)
            offset += lanes
        }
        while offset < count {
            target[offset] += source[offset]
            offset += 1
        }
    }
}
