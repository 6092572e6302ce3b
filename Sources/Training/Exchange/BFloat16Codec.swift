/// Gradients as bf16: the upper half of a float, rounded to nearest, ties to even.
///
/// What is not finite stays so.
final class BFloat16Codec: GradientWireCodec {
    private(set) var squares = (error: 0.0, gradient: 0.0)

    func begin(step: Int, update: Int) { squares = (0, 0) }

    func size(of range: Range<Int>) -> Int { 2 * range.count }

    func encode(
        _ values: UnsafePointer<Float>, _ range: Range<Int>, into bytes: UnsafeMutablePointer<UInt8>, isSum: Bool
    ) {
        var (error, gradient): (Float, Float) = (0, 0)
        for index in 0..<range.count {
            let half = Self.rounded(values[index])
            UnsafeMutableRawPointer(bytes).storeBytes(of: half, toByteOffset: 2 * index, as: UInt16.self)
            let difference = Self.value(half) - values[index]
            error += difference * difference
            gradient += values[index] * values[index]
            // Floats lose what is small beside a long sum.
            if index % 4096 == 4095 || index == range.count - 1 {
                if !isSum { squares = (squares.error + Double(error), squares.gradient + Double(gradient)) }
                (error, gradient) = (0, 0)
            }
        }
    }

    func decode(_ bytes: UnsafePointer<UInt8>, _ range: Range<Int>, into values: UnsafeMutablePointer<Float>) {
        for index in 0..<range.count {
            values[index] = Self.value(
                UnsafeRawPointer(bytes).loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
        }
    }

    /// The upper half of the nearest float that has nothing in the lower one.
    @inline(__always)
    static func rounded(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        // Rounding could carry the bits of no number to those of infinity.
        if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
        return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
    }

    @inline(__always)
    static func value(_ half: UInt16) -> Float { Float(bitPattern: UInt32(half) << 16) }
}
