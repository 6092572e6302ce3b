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
    /// Channels in the place of a float, in transformed inputs and filters: 2 where these are bf16, in front of products whose
    /// sums are floats.
    let packing: Int
    /// Floats between the points of a transformed filter; one line of padding avoids power-of-two distances.
    let filterStride: Int
    let inputStride: Int
    let outputStride: Int

    /// Prepares one pass of a layer's convolution.
    /// - Parameters:
    ///   - groups: Consecutive images that meet a filter of their own.
    ///   - factors: How transformed inputs and filters are stored; weight gradients take floats alone.
    init(_ geometry: ConvolutionGeometry, groups: [Range<Int>], _ pass: ConvolutionPass, _ factors: ProductFactors) {
        let rotates = pass == .inputGradient
        precondition(
            geometry.kernel == 3 && geometry.padding == 1 && geometry.stride + Transform.taps == 4
                && geometry.inputChannels % lanes == 0 && geometry.outputChannels % lanes == 0,
            "no Winograd convolution has the shape \(geometry)")
        precondition(
            factors == .single || TileProduct.multipliesPairs && pass != .weightGradient,
            "the program is not built for \(pass) products of bf16")
        packing = factors == .single ? 1 : 2
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
            geometry, groups: groups, outputs: Transform.outputs, points: Transform.points,
            depths: (source.depth / packing, target.depth))
        panelWidth =
            TileProduct.isAvailable
            ? TileProduct.width : MatrixProduct.largestUnpackedProduct == nil ? max(1, target.channels) : 64
        filterStride = source.depth / packing * target.depth + lanes
        inputStride = tiles.block * source.depth / packing + lanes
        outputStride = tiles.block * target.depth + lanes
    }

    /// Floats of a transformed filter.
    var filterSize: Int { Transform.points * filterStride }
    /// Pairs of partial sums that a forward pass with statistics writes.
    var statisticsChunks: Int {
        tiles.sharesBlock ? (tiles.count + WinogradTiles.run - 1) / WinogradTiles.run : tiles.blocks
    }
    /// Multiply-adds of one pass, forward or backward.
    var multiplyAdds: Int {
        let phased = source.step == 2 ? source : target
        let products = (0..<Transform.points).reduce(0) { $0 + phased.phases(at: $1, inputs: Transform.inputs).count }
        return tiles.count * products * source.channels * target.channels
    }

    /// Output channels that lie together in a transformed filter: narrow where that spares packing.
    let panelWidth: Int

    /// Computes y = conv(x, filter), each group of images with its own transformed filter; see
    /// ``transformFilter(_:into:_:)``.
    ///
    /// All groups go through one pass of transforms and products, so that cores share the work of many small groups as
    /// they share that of one large group.
    /// - Parameter scale: Multiplies each channel of `x`, or nil.
    func forward(
        _ x: FloatPointer, scale: FloatPointer?, _ filters: [FloatPointer], into y: FloatPointer, _ epilogue: Epilogue,
        _ workspace: Workspace
    ) {
        let perBlock = Transform.points * (inputStride + outputStride)
        let loop = workspace.loop
        if tiles.sharesBlock {
            workspace.withScratch(perBlock) { v in
                let m = v + Transform.points * inputStride
                clearSkippedProducts(m)
                for block in 0..<tiles.sharedBlocks {
                    let range = tiles.tiles(ofSharedBlock: block)
                    overRuns(of: range, loop) { _, run in
                        transformInput(x, scale: scale, run, into: v, at: run.lowerBound - range.lowerBound)
                    }
                    loop(filters.count * Transform.points) { _, index in
                        let (group, point) = index.quotientAndRemainder(dividingBy: Transform.points)
                        let part = tiles.groups[group].clamped(to: range)
                        if part.isEmpty { return }
                        var ahead = ahead(x, y, epilogue, range, part: index, of: filters.count * Transform.points)
                        product(
                            point, part.lowerBound - range.lowerBound, part.count, v, filters[group], m, &ahead)
                    }
                    overRuns(of: range, loop) { chunk, run in
                        transformOutput(m, at: run.lowerBound - range.lowerBound, run, into: y, epilogue, chunk: chunk)
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
                loop(tiles.blocks) { worker, place in
                    let v = scratch + worker * perBlock
                    let m = v + Transform.points * inputStride
                    let (group, range) = tiles.block(at: place)
                    transformInput(x, scale: scale, range, into: v, at: 0)
                    var ahead = ahead(x, y, epilogue, range)
                    for point in 0..<Transform.points { product(point, 0, range.count, v, filters[group], m, &ahead) }
                    transformOutput(m, at: 0, range, into: y, epilogue, chunk: place)
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

    /// Calls `body(chunk, tiles)` for the runs of tiles of a shared block.
    @inline(__always)
    func overRuns(of range: Range<Int>, _ loop: ParallelLoop, _ body: (Int, Range<Int>) -> Void) {
        let size = WinogradTiles.run
        loop((range.count + size - 1) / size) { _, run in
            let first = range.lowerBound + run * size
            body(first / size, first..<min(range.upperBound, first + size))
        }
    }

    /// Where the phases with a component at a point begin, and how many channels they have.
    @inline(__always)
    func span(_ side: WinogradSide, _ point: Int) -> (start: Int, count: Int) {
        let phases = side.phases(at: point, inputs: Transform.inputs)
        return (phases.lowerBound * side.channels, phases.count * side.channels)
    }

    /// The most tiles, `multiple` at least, that a product of `size` multiply-adds a tile takes without packing.
    @inline(__always)
    func longestRun(_ size: Int, multipleOf multiple: Int, _ count: Int) -> Int {
        guard let limit = MatrixProduct.largestUnpackedProduct else { return max(multiple, count) }
        return max(multiple, limit / size / multiple * multiple)
    }

    /// What comes next: what the output transform of a block writes and reads, and what the input transform of the following
    /// block reads, or a part of it.
    @inline(__always)
    private func ahead(
        _ x: FloatPointer, _ y: FloatPointer, _ epilogue: Epilogue, _ range: Range<Int>, part: Int = 0,
        of parts: Int = 1
    ) -> Prefetch {
        let following = range.upperBound..<min(tiles.count, range.upperBound + tiles.block)
        return Prefetch(
            area(target, epilogue.addend, range, part, parts), area(target, epilogue.mask, range, part, parts),
            area(target, y, range, part, parts), area(source, x, following, part, parts))
    }

    /// About where tiles lie in a map, or a part of that.
    @inline(__always)
    func area(
        _ side: WinogradSide, _ map: FloatPointer?, _ range: Range<Int>, _ part: Int = 0, _ parts: Int = 1
    ) -> Prefetch.Area {
        guard let map, TileProduct.isAvailable, !range.isEmpty else { return Prefetch.Area() }
        let perTile = side.height * side.width * side.channels / (tiles.down * tiles.across)
        let count = range.count * perTile / parts / lanes * lanes
        return Prefetch.Area(map + range.lowerBound * perTile + part * count, count: count)
    }

    /// Multiplies `count` tiles of a point, from place `first` on, by its filter, panel by panel.
    ///
    /// Panels are narrow and runs of tiles short where OpenBLAS then works on the matrices where they lie, and does not pack
    /// the whole filter anew for every block of tiles. Runs are multiples of the six rows that its kernel takes at a time.
    @inline(__always)
    private func product(
        _ point: Int, _ first: Int, _ count: Int, _ v: FloatPointer, _ u: FloatPointer, _ m: FloatPointer,
        _ ahead: inout Prefetch
    ) {
        let inputs = span(source, point)
        for phase in target.phases(at: point, inputs: Transform.inputs) {
            if TileProduct.isAvailable {
                let column = phase * target.channels
                MatrixProduct.count(count * inputs.count * target.channels, .convolution)
                let depth = source.depth / packing
                let start = inputs.start / packing
                let a = v + point * inputStride + first * depth + start
                let b = u + point * filterStride + column * depth + start * TileProduct.width
                let c = m + point * outputStride + first * target.depth + column
                if packing == 2 {
                    TileProduct.multiplyPairs(
                        count, target.channels, inputs.count / 2, a, depth, b, panelStride: depth * TileProduct.width,
                        into: c, target.depth, ahead: &ahead)
                } else {
                    TileProduct.multiply(
                        count, target.channels, inputs.count, a, depth, b, panelStride: depth * TileProduct.width,
                        into: c, target.depth, ahead: &ahead)
                }
                continue
            }
            for k in Swift.stride(from: 0, to: target.channels, by: panelWidth) {
                let width = min(panelWidth, target.channels - k)
                let column = phase * target.channels + k
                let panel = u + point * filterStride + column * source.depth + inputs.start * width
                let longest = longestRun(inputs.count * width, multipleOf: 6, count)
                let runs = (count + longest - 1) / longest
                let run = (count / max(1, runs) + 5) / 6 * 6
                for place in Swift.stride(from: first, to: first + count, by: max(1, run)) {
                    MatrixProduct.multiply(
                        min(run, first + count - place), width, inputs.count,
                        v + point * inputStride + place * source.depth + inputs.start, source.depth, panel, width,
                        into: m + point * outputStride + place * target.depth + column, target.depth)
                }
            }
        }
    }
}
