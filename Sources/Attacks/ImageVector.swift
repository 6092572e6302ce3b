import Tensors

/// The elements of one image, or of a gradient with respect to one, as a vector whose norms attacks ask for.
///
/// Sums are taken in sixteen lanes of Float.
struct ImageVector {
    let pointer: UnsafePointer<Float>
    let count: Int

    init(_ pointer: UnsafePointer<Float>, count: Int) {
        self.pointer = pointer
        self.count = count
    }

    init(_ tensor: Tensor, image: Int) {
        self.init(tensor.pointer + image * tensor.imageSize, count: tensor.imageSize)
    }

    /// The norm.
    func length(_ norm: PerturbationBall.Norm) -> Float {
        switch norm {
        case .linf:
            // Of numbers without sign, bit patterns have the order; a NaN is the largest.
            var largest: UInt32 = 0
            for index in 0..<count { largest = max(largest, pointer[index].magnitude.bitPattern) }
            return Float(bitPattern: largest)
        case .l2: return sum { $0 * $0 }.squareRoot()
        }
    }

    /// How far it is from another vector.
    func distance(to other: ImageVector, _ norm: PerturbationBall.Norm) -> Float {
        switch norm {
        case .linf:
            var largest: UInt32 = 0
            for index in 0..<count {
                largest = max(largest, (pointer[index] - other.pointer[index]).magnitude.bitPattern)
            }
            return Float(bitPattern: largest)
        case .l2:
            return sum(other) {
                let difference = $0 - $1
                return difference * difference
            }.squareRoot()
        }
    }

    /// The norm that bounds inner products with changes of norm 1.
    func dualLength(_ norm: PerturbationBall.Norm) -> Float {
        switch norm {
        case .linf:
            let magnitude = SIMD16<UInt32>(repeating: 0x7FFF_FFFF)
            return sum { unsafeBitCast(unsafeBitCast($0, to: SIMD16<UInt32>.self) & magnitude, to: Lanes.self) }
        case .l2: return length(.l2)
        }
    }

    /// The inner product with the difference of two vectors.
    func product(_ minuend: ImageVector, minus subtrahend: ImageVector) -> Float {
        var total = Lanes.zero
        for offset in stride(from: 0, to: count, by: Lanes.scalarCount) {
            total += lanes(offset) * (minuend.lanes(offset) - subtrahend.lanes(offset))
        }
        return total.sum()
    }

    private typealias Lanes = SIMD16<Float>

    @inline(__always)
    private func sum(_ term: (Lanes) -> Lanes) -> Float {
        var total = Lanes.zero
        for offset in stride(from: 0, to: count, by: Lanes.scalarCount) { total += term(lanes(offset)) }
        return total.sum()
    }

    @inline(__always)
    private func sum(_ other: ImageVector, _ term: (Lanes, Lanes) -> Lanes) -> Float {
        var total = Lanes.zero
        for offset in stride(from: 0, to: count, by: Lanes.scalarCount) {
            total += term(lanes(offset), other.lanes(offset))
        }
        return total.sum()
    }

    /// The elements from `offset` on; lanes past the last one are 0.
    @inline(__always)
    private func lanes(_ offset: Int) -> Lanes {
        if offset + Lanes.scalarCount <= count {
            return UnsafeRawPointer(pointer + offset).loadUnaligned(as: Lanes.self)
        }
        var result = Lanes.zero
        for index in offset..<count { result[index - offset] = pointer[index] }
        return result
    }
}
