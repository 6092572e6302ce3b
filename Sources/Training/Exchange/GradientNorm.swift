/// The Euclidean norm of a gradient arena, and what limits it.
///
/// Arenas hold the sum over all ranks, so that every rank finds the same bits.
package enum GradientNorm {
    /// Returns the norm; arenas are whole multiples of 16 long, their padding is zero.
    package static func value(_ gradient: UnsafeMutableBufferPointer<Float>) -> Double {
        guard let values = gradient.baseAddress else { return 0 }
        var sum = 0.0
        for start in Swift.stride(from: 0, to: gradient.count, by: 4096) {
            // Short runs in Float, which vectorises, then Double.
            var part = SIMD16<Float>.zero
            let end = min(start + 4096, gradient.count)
            for index in Swift.stride(from: start, to: end, by: 16) {
                let values = UnsafeRawPointer(values + index).loadUnaligned(as: SIMD16<Float>.self)
                part += values * values
            }
            sum += Double(part.sum())
        }
        return sum.squareRoot()
    }

    /// Whether all values of a range are finite numbers.
    package static func isFinite(_ gradient: UnsafeMutableBufferPointer<Float>, _ range: Range<Int>) -> Bool {
        guard let values = gradient.baseAddress else { return true }
        // What is not finite, times 0, is no number, and no sum of it is one again.
        var sum = SIMD16<Float>.zero
        let whole = range.lowerBound + range.count / 16 * 16
        for index in Swift.stride(from: range.lowerBound, to: whole, by: 16) {
            sum += UnsafeRawPointer(values + index).loadUnaligned(as: SIMD16<Float>.self) * 0
        }
        return sum.sum() == 0 && (whole..<range.upperBound).allSatisfy { values[$0].isFinite }
    }

    /// Scales a gradient of this norm down to `limit` if it is longer (torch.nn.utils.clip_grad_norm_).
    package static func clip(_ gradient: UnsafeMutableBufferPointer<Float>, norm: Double, to limit: Double) {
        let factor = Float(limit / (norm + 1e-6))
        if factor >= 1 { return }
        for index in gradient.indices { gradient[index] *= factor }
    }
}
