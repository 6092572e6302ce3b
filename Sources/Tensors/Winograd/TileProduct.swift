import CHardware

/// The matrix products of Winograd's points: the products of six or twelve rows stay in registers, filters lie in panels of 16
/// output channels.
///
/// OpenBLAS packs both matrices anew for each product of these sizes; here they are read where they lie. With registers of 8
/// floats six rows by one panel stay in twelve registers, with registers of 16 floats twelve rows by two panels in twenty-four.
/// Without fused multiply-adds in hardware there is no such kernel, and where OpenBLAS multiplies with registers of 16 floats
/// that the program is not built for, its products are faster (``isAvailable``).
enum TileProduct {
    /// Output channels of a panel.
    static let width = lanes
    /// Whether ``multiplyPairs(_:_:_:_:_:_:panelStride:into:_:ahead:)`` can be called: the program is built for its instructions.
    @inline(__always) static var multipliesPairs: Bool { CHardware_multipliesPairs() != 0 }
    /// Whether this is faster than OpenBLAS, as the program is built and on this processor.
    static let isAvailable = CHardware_fuses() != 0 && (isWide || MatrixProduct.largestUnpackedProduct == nil)
    @inline(__always) private static var isWide: Bool { CHardware_isWide() != 0 }
    /// Rows that stay in registers together: blocks of tiles are multiples of it.
    @inline(__always) static var rows: Int { isWide ? 12 : 6 }
    /// Panels that are taken together.
    @inline(__always) private static var panels: Int { isWide ? 2 : 1 }

    /// Writes c = a b for `count` rows of `a` and the panels of `b`.
    ///
    /// - Parameters:
    ///   - columns: Output channels, a multiple of 16.
    ///   - depth: Columns of `a`.
    ///   - b: `[columns / 16]` panels `[depth][16]`, `panelStride` floats apart.
    ///   - ahead: Memory that will be needed soon.
    @inline(never)
    static func multiply(
        _ count: Int, _ columns: Int, _ depth: Int, _ a: FloatPointer, _ leadingA: Int, _ b: FloatPointer,
        panelStride: Int, into c: FloatPointer, _ leadingC: Int, ahead: inout Prefetch
    ) {
        multiply(
            count, columns, depth, a, leadingA, b, panelStride, into: c, leadingC, &ahead, pairs: false)
    }

    /// The same of pairs of bf16 numbers, each pair in the place of a float; sums are floats.
    ///
    /// A row of `a` has `depth` pairs of neighbours, and a panel `[depth][16]` pairs of an output channel's factors for them.
    @inline(never)
    static func multiplyPairs(
        _ count: Int, _ columns: Int, _ depth: Int, _ a: FloatPointer, _ leadingA: Int, _ b: FloatPointer,
        panelStride: Int, into c: FloatPointer, _ leadingC: Int, ahead: inout Prefetch
    ) {
        multiply(
            count, columns, depth, a, leadingA, b, panelStride, into: c, leadingC, &ahead, pairs: true)
    }

    @inline(__always)
    private static func multiply(
        _ count: Int, _ columns: Int, _ depth: Int, _ a: FloatPointer, _ leadingA: Int, _ b: FloatPointer,
        _ panelStride: Int, into c: FloatPointer, _ leadingC: Int, _ ahead: inout Prefetch, pairs: Bool
    ) {
        var column = 0
        while column < columns {
            let panel = b + column / width &* panelStride
            let isPair = isWide && column &+ width < columns
            let step = isPair ? 2 &* width : width
            var row = 0
            while row < count {
                // The first passes over panels fetch the next ones from memory, which the processor does too late.
                let passes = row / rows
                let next =
                    passes < step / width
                    ? panel + (step / width &+ passes) &* panelStride : ahead.take(depth &* width)
                tile(
                    min(rows, count &- row), depth, a + row &* leadingA, leadingA, 1, panel,
                    isPair ? panel + panelStride : nil, width, into: c + row &* leadingC + column, leadingC,
                    adds: false, pairs: pairs, next)
                row &+= rows
            }
            column &+= step
        }
    }

    /// Writes c = aᵀ b, or adds it to c, for `count` columns of `a` and `columns` of `b`, both of `depth` rows.
    @inline(never)
    static func multiplyTransposed(
        _ count: Int, _ columns: Int, _ depth: Int, _ a: FloatPointer, _ leadingA: Int, _ b: FloatPointer,
        _ leadingB: Int, into c: FloatPointer, _ leadingC: Int, adds: Bool, ahead: inout Prefetch
    ) {
        var column = 0
        while column < columns {
            let isPair = isWide && column &+ width < columns
            var row = 0
            while row < count {
                tile(
                    min(rows, count &- row), depth, a + row, 1, leadingA, b + column,
                    isPair ? b + column + width : nil, leadingB, into: c + row &* leadingC + column, leadingC,
                    adds: adds, pairs: false, ahead.take(depth &* width))
                row &+= rows
            }
            column &+= isPair ? 2 &* width : width
        }
    }

    /// One tile of the result: `count` rows, 1 to ``rows``, of one panel or two.
    @inline(__always)
    private static func tile(
        _ count: Int, _ depth: Int, _ a: FloatPointer, _ rowStep: Int, _ step: Int, _ b: FloatPointer,
        _ second: FloatPointer?, _ leadingB: Int, into c: FloatPointer, _ leadingC: Int, adds: Bool,
        pairs: Bool, _ ahead: FloatPointer?
    ) {
        if isWide {
            if let second {
                wideTile(
                    count, depth, a, rowStep, step, b, second, leadingB, into: c, leadingC, adds: adds, pairs: pairs,
                    ahead)
            } else {
                var upper = Rows()
                var lower = Rows()
                let (first, last) = (Rows.Steps(count, rowStep), Rows.Steps(count &- 6, rowStep))
                let below = count > 6 ? 6 &* rowStep : 0
                sweep(depth, a, step, b, leadingB, ahead) { a, b in
                    let row = vectors(b)[0]
                    upper.add(a, first, row, pairs)
                    lower.add(a + below, last, row, pairs)
                }
                upper.finish(c, leadingC, count, adds)
                lower.finish(c + 6 &* leadingC, leadingC, count &- 6, adds)
            }
        } else {
            var sums = Rows()
            let steps = Rows.Steps(count, rowStep)
            sweep(depth, a, step, b, leadingB, ahead) { a, b in sums.add(a, steps, vectors(b)[0], pairs) }
            sums.finish(c, leadingC, count, adds)
        }
    }

    @inline(__always)
    private static func wideTile(
        _ count: Int, _ depth: Int, _ a: FloatPointer, _ rowStep: Int, _ step: Int, _ b: FloatPointer,
        _ second: FloatPointer, _ leadingB: Int, into c: FloatPointer, _ leadingC: Int, adds: Bool,
        pairs: Bool, _ ahead: FloatPointer?
    ) {
        var (upperLeft, upperRight, lowerLeft, lowerRight) = (Rows(), Rows(), Rows(), Rows())
        let (first, last) = (Rows.Steps(count, rowStep), Rows.Steps(count &- 6, rowStep))
        let below = count > 6 ? 6 &* rowStep : 0
        let distance = second - b
        sweep(depth, a, step, b, leadingB, ahead) { a, b in
            let (left, right) = (vectors(b)[0], vectors(b + distance)[0])
            upperLeft.add(a, first, left, pairs)
            upperRight.add(a, first, right, pairs)
            lowerLeft.add(a + below, last, left, pairs)
            lowerRight.add(a + below, last, right, pairs)
        }
        upperLeft.finish(c, leadingC, count, adds)
        upperRight.finish(c + width, leadingC, count, adds)
        lowerLeft.finish(c + 6 &* leadingC, leadingC, count &- 6, adds)
        lowerRight.finish(c + 6 &* leadingC + width, leadingC, count &- 6, adds)
    }

    /// Calls `body` with where `a` and `b` lie for every step of the sum.
    @inline(__always)
    private static func sweep(
        _ depth: Int, _ a: FloatPointer, _ step: Int, _ b: FloatPointer, _ leadingB: Int, _ ahead: FloatPointer?,
        _ body: (FloatPointer, FloatPointer) -> Void
    ) {
        var (a, b) = (a, b)
        let end = a + depth &* step
        if var line = ahead {
            while a < end {
                CHardware_prefetch(line)
                line += width
                body(a, b)
                a += step
                b += leadingB
            }
        } else {
            while a < end {
                body(a, b)
                a += step
                b += leadingB
            }
        }
    }
}

/// Six rows of 16 products that stay in registers.
private struct Rows {
    /// Where six rows of a matrix lie from the first on; rows that are missing repeat the last one.
    struct Steps {
        let first, second, third, fourth, fifth: Int

        @inline(__always)
        init(_ count: Int, _ step: Int) {
            first = count > 1 ? step : 0
            second = count > 2 ? first &+ step : first
            third = count > 3 ? second &+ step : second
            fourth = count > 4 ? third &+ step : third
            fifth = count > 5 ? fourth &+ step : fourth
        }
    }

    private var (r0, r1, r2, r3, r4, r5) = (
        Vector.zero, Vector.zero, Vector.zero, Vector.zero, Vector.zero, Vector.zero
    )

    @inline(__always)
    init() {}

    /// Adds the value of each row times the same 16 values, or the pair of each row times the same 16 pairs.
    @inline(__always)
    mutating func add(_ a: FloatPointer, _ steps: Steps, _ row: Vector, _ pairs: Bool) {
        @inline(__always)
        func sum(_ sum: Vector, _ step: Int) -> Vector {
            let value = Vector(repeating: a[step])
            return pairs ? CHardware_addPairs(sum, value, row) : sum.addingProduct(value, row)
        }
        r0 = sum(r0, 0)
        r1 = sum(r1, steps.first)
        r2 = sum(r2, steps.second)
        r3 = sum(r3, steps.third)
        r4 = sum(r4, steps.fourth)
        r5 = sum(r5, steps.fifth)
    }

    /// Writes the first `count` rows, or adds them to what is there.
    @inline(__always)
    func finish(_ c: FloatPointer, _ leading: Int, _ count: Int, _ adds: Bool) {
        @inline(__always)
        func put(_ value: Vector, _ row: Int) {
            guard row < count else { return }
            let place = vectors(c + row &* leading)
            place[0] = adds ? place[0] + value : value
        }
        put(r0, 0)
        put(r1, 1)
        put(r2, 2)
        put(r3, 3)
        put(r4, 4)
        put(r5, 5)
    }
}
