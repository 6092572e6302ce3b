import Networks

/// How far layerwise rules let a tensor move: by its weights' norm beside that of its step.
///
/// Norms are Euclidean and added up in double precision from the first element on, so that replicas agree bit for bit. A tensor
/// that holds the filters of several channel experts side by side has one ratio a filter: an expert that the batch did not use
/// would otherwise blur the others'. Where filters overlap, the whole tensor has one.
enum TrustRatio {
    /// The parts of a slot, in its arena, that have a ratio of their own.
    static func parts(of slot: Slot) -> [Range<Int>] {
        guard case .slabs(let count, _, _, _) = slot.layout else { return [slot.range] }
        let size = slot.count / count
        return (0..<count).map { slot.offset + $0 * size..<slot.offset + ($0 + 1) * size }
    }

    /// The norm of `value` over some indices.
    @inline(__always)
    static func norm(_ range: Range<Int>, _ value: (Int) -> Float) -> Double {
        var sum = 0.0
        for index in range {
            let value = Double(value(index))
            sum += value * value
        }
        return sum.squareRoot()
    }
}
