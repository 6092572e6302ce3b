/// The maps on one side of a Winograd convolution, and how tiles lie on them.
///
/// With step 2 a map is seen as four phases, each the samples of one parity of rows and of columns, in the order
/// even-even, even-odd, odd-odd, odd-even: so the phases with an odd row, those with an odd column, and the one with both
/// are each neighbours. With step 1 the map is its own and only phase.
struct WinogradSide {
    let height: Int
    let width: Int
    let channels: Int
    /// 1, or 2 where the map is seen as four phases.
    let step: Int
    /// Where sample 0 of tile 0 lies in the only phase, or in odd phases; even phases begin at 0.
    let origin: Int

    @inline(__always) var phases: Int { step * step }
    /// Channels of all phases.
    @inline(__always) var depth: Int { channels * phases }

    /// The row and column of sample 0 of tile 0.
    @inline(__always)
    func origin(ofPhase phase: Int) -> (row: Int, column: Int) {
        if step == 1 { return (origin, origin) }
        return (phase >= 2 ? origin : 0, phase == 1 || phase == 2 ? origin : 0)
    }

    /// The phases that have a product at a transform point of `inputs`² points.
    ///
    /// A phase of even rows or columns has a filter of one tap, which has no component at the last point of that axis.
    @inline(__always)
    func phases(at point: Int, inputs: Int) -> Range<Int> {
        if step == 1 { return 0..<1 }
        let (row, column) = point.quotientAndRemainder(dividingBy: inputs)
        switch (row == inputs - 1, column == inputs - 1) {
        case (false, false): return 0..<4
        case (true, false): return 2..<4
        case (false, true): return 1..<3
        case (true, true): return 2..<3
        }
    }

    /// Which taps of the layer's 3×3 filter a phase multiplies: kernel row and column of tap (i, j), or nil.
    ///
    /// - Parameter rotates: The filter carries gradients back, from outputs to inputs.
    @inline(__always)
    func tap(_ i: Int, _ j: Int, ofPhase phase: Int, rotates: Bool) -> Int? {
        if step == 1 { return rotates ? (2 - i) * 3 + 2 - j : i * 3 + j }
        func along(_ tap: Int, isOdd: Bool) -> Int? {
            if isOdd { return rotates ? 2 - 2 * tap : 2 * tap }
            return tap == 0 ? 1 : nil
        }
        guard let row = along(i, isOdd: phase >= 2), let column = along(j, isOdd: phase == 1 || phase == 2) else {
            return nil
        }
        return row * 3 + column
    }
}
