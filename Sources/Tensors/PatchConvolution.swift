/// A convolution of any shape by matrix products over gathered patches (im2col), in blocks that stay in cache.
///
/// A 1×1 convolution with stride 1 needs no gathering: its patches are the input itself.
struct PatchConvolution {
    let geometry: ConvolutionGeometry
    /// Whether gradients are carried from the layer's outputs to its inputs.
    let rotates: Bool
    private let outputMap: Int
    private let inputMap: Int

    /// Output pixels of a block; a multiple of 16 so that blocks begin at a whole channel period.
    private static let blockPixels = 256

    init(_ geometry: ConvolutionGeometry, rotates: Bool = false) {
        self.geometry = geometry
        self.rotates = rotates
        outputMap = geometry.outputHeight * geometry.outputWidth
        inputMap = geometry.height * geometry.width
    }

    var multiplyAdds: Int { geometry.directMultiplyAdds }
    /// Floats of a filter.
    var filterSize: Int { geometry.patchSize * geometry.outputChannels }
    /// Pairs of partial sums that a forward pass with statistics writes.
    var statisticsChunks: Int { blocks }
    private var blocks: Int { (geometry.outputPixels + Self.blockPixels - 1) / Self.blockPixels }
    private var gathers: Bool { geometry.kernel > 1 || geometry.stride > 1 || geometry.padding > 0 }

    /// Writes the layer's HWIO filter, each output channel times `scale`.
    func scaleFilter(_ weights: FloatPointer, scale: FloatPointer?, into scaled: FloatPointer) {
        let outputs = geometry.outputChannels
        guard let scale else { return scaled.update(from: weights, count: filterSize) }
        for row in 0..<geometry.patchSize {
            for k in 0..<outputs { scaled[row * outputs + k] = weights[row * outputs + k] * scale[k] }
        }
    }

    /// Carries values forward, or gradients back if it ``rotates``.
    func carry(
        _ x: FloatPointer, _ filter: FloatPointer, into y: FloatPointer, _ epilogue: Epilogue, _ workspace: Workspace
    ) {
        if rotates {
            inputGradient(x, filter, into: y, epilogue, workspace)
        } else {
            forward(x, filter, into: y, epilogue, workspace)
        }
    }

    /// Computes y = conv(x, filter) with an HWIO filter.
    private func forward(
        _ x: FloatPointer, _ filter: FloatPointer, into y: FloatPointer, _ epilogue: Epilogue, _ workspace: Workspace
    ) {
        let (patch, outputs) = (geometry.patchSize, geometry.outputChannels)
        let period = ChannelPeriod(outputs)
        let loop = workspace.loop
        let scratchSize = gathers ? Self.blockPixels * patch : 0
        workspace.withScratch(scratchSize * loop.threads) { scratch in
            loop(blocks) { worker, block in
                let pixels = pixels(ofBlock: block)
                var rows = x + pixels.lowerBound * patch
                if gathers {
                    rows = scratch + worker * scratchSize
                    gather(x, pixels, into: rows)
                }
                MatrixProduct.multiply(
                    pixels.count, outputs, patch, rows, patch, filter, outputs, into: y + pixels.lowerBound * outputs,
                    outputs)
                epilogue.apply(
                    to: y, from: pixels.lowerBound * outputs, pixels: pixels.count, period: period, chunk: block)
            }
        }
    }

    /// Computes dx = convᵀ(dy, filter); the epilogue sees dx.
    private func inputGradient(
        _ dy: FloatPointer, _ filter: FloatPointer, into dx: FloatPointer, _ epilogue: Epilogue, _ workspace: Workspace
    ) {
        let (patch, outputs, inputs) = (geometry.patchSize, geometry.outputChannels, geometry.inputChannels)
        let period = ChannelPeriod(inputs)
        let loop = workspace.loop
        // Whole images a chunk, since patches of one image overlap; at least 16, so that chunks begin at a period.
        let images = max(1, Self.blockPixels / outputMap)
        let imagesPerChunk = (images * inputMap) % 16 == 0 ? images : 16
        let scratchSize = gathers ? Self.blockPixels * patch : 0
        workspace.withScratch(scratchSize * loop.threads) { scratch in
            loop((geometry.images + imagesPerChunk - 1) / imagesPerChunk) { worker, chunk in
                let first = chunk * imagesPerChunk
                let end = min(geometry.images, first + imagesPerChunk)
                let start = first * inputMap * inputs
                let rows = scratch + worker * scratchSize
                if gathers { (dx + start).update(repeating: 0, count: (end - first) * inputMap * inputs) }
                var pixel = first * outputMap
                while pixel < end * outputMap {
                    let block = pixel..<min(end * outputMap, pixel + Self.blockPixels)
                    MatrixProduct.multiply(
                        block.count, patch, outputs, dy + pixel * outputs, outputs, filter, outputs, transposeB: true,
                        into: gathers ? rows : dx + pixel * inputs, patch)
                    if gathers { scatterAdd(rows, block, into: dx) }
                    pixel = block.upperBound
                }
                epilogue.apply(to: dx, from: start, pixels: (end - first) * inputMap, period: period, chunk: chunk)
            }
        }
    }

    /// Adds the weight gradient to `dw`, HWIO.
    func weightGradient(_ x: FloatPointer, _ dy: FloatPointer, into dw: FloatPointer, _ workspace: Workspace) {
        if geometry.outputPixels == 0 { return }
        let (patch, outputs) = (geometry.patchSize, geometry.outputChannels)
        let loop = workspace.loop
        // A fixed number of accumulators, added in order, makes the sum independent of the thread count.
        let accumulators = min(4, (blocks + 3) / 4)
        let scratchSize = gathers ? Self.blockPixels * patch : 0
        let size = (patch * outputs + lanes - 1) / lanes * lanes
        workspace.withScratch(scratchSize * loop.threads + size * accumulators) { scratch in
            let sums = scratch + scratchSize * loop.threads
            loop(accumulators) { worker, part in
                let range = part * blocks / accumulators..<(part + 1) * blocks / accumulators
                for block in range {
                    let pixels = pixels(ofBlock: block)
                    var rows = x + pixels.lowerBound * patch
                    if gathers {
                        rows = scratch + worker * scratchSize
                        gather(x, pixels, into: rows)
                    }
                    MatrixProduct.multiply(
                        patch, outputs, pixels.count, rows, patch, transposeA: true, dy + pixels.lowerBound * outputs,
                        outputs, into: sums + part * size, outputs, accumulate: block > range.lowerBound)
                }
            }
            for part in 0..<accumulators { add(sums + part * size, to: dw, patch * outputs) }
        }
    }

    private func pixels(ofBlock block: Int) -> Range<Int> {
        block * Self.blockPixels..<min(geometry.outputPixels, (block + 1) * Self.blockPixels)
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
