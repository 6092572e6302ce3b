import CHardware

// Sixteen lanes: four SSE registers with baseline code generation, one register with AVX-512.
typealias Vector = SIMD16<Float>
typealias VectorPointer = UnsafeMutablePointer<Vector>
/// Where floats lie that a kernel reads and writes.
public typealias FloatPointer = UnsafeMutablePointer<Float>

let lanes = 16

/// Sees floats as vectors; the address must be 64-byte aligned.
@inline(__always)
func vectors(_ pointer: FloatPointer) -> VectorPointer {
    UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: Vector.self)
}

/// Returns `sum` + `value` · `factor`, rounded once where the program is built for fused multiply-adds.
@inline(__always)
func fused(_ sum: Vector, _ value: Vector, _ factor: Float) -> Vector {
    CHardware_fuses() != 0 ? sum.addingProduct(value, factor) : sum + value * factor
}

/// Loads up to 16 floats from any address; lanes past `count` are zero.
@inline(__always)
func load(_ pointer: UnsafePointer<Float>, _ count: Int) -> Vector {
    if count == lanes { return UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self) }
    var result = Vector.zero
    for lane in 0..<count { result[lane] = pointer[lane] }
    return result
}

/// Stores the first `count` of 16 floats at any address.
@inline(__always)
func store(_ value: Vector, _ pointer: FloatPointer, _ count: Int) {
    if count == lanes {
        UnsafeMutableRawPointer(pointer).storeBytes(of: value, as: Vector.self)
        return
    }
    for lane in 0..<count { pointer[lane] = value[lane] }
}

// Integer masks: `pointwiseMax` and `replace(with:where:)` on SIMD16<Float> are not vectorised by Swift 6.3.

@inline(__always)
private func bits(_ value: Vector) -> SIMD16<Int32> { unsafeBitCast(value, to: SIMD16<Int32>.self) }

/// Returns max(v, +0); a NaN of either sign stays one, so that broken values are not hidden.
///
/// Negative numbers and −∞ are the bit patterns with the sign that adding 2²³ − 1 does not carry past it; NaNs are.
@inline(__always)
func rectified(_ value: Vector) -> Vector {
    let pattern = bits(value)
    let isNegative = (pattern &>> 31) & ((pattern &+ 0x7F_FFFF) &>> 31)
    return unsafeBitCast(pattern & ~isNegative, to: Vector.self)
}

/// `value` where `output` > 0, else +0; `output` is a ReLU's result, never negative and never −0.
@inline(__always)
func gated(_ value: Vector, by output: Vector) -> Vector {
    unsafeBitCast(bits(value) & ((0 &- bits(output)) &>> 31), to: Vector.self)
}
