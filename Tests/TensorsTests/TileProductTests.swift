import CHardware
import Testing

@testable import Tensors

/// Built without fused multiply-adds these products are not used, and so slow that small shapes stand for all.
@Suite("Products of tiles")
struct TileProductTests {
    /// Values in [-1, 1] that depend on the place alone.
    private static func value(_ index: Int, _ salt: Int) -> Float {
        let hash = UInt64(truncatingIfNeeded: index &* 2_654_435_761 &+ salt &* 40_503) &* 0x9E37_79B9_7F4A_7C15
        return Float(Int64(bitPattern: hash) >> 40) / Float(1 << 23)
    }

    private static func filled(_ count: Int, _ salt: Int, _ workspace: Workspace) -> Tensor {
        let tensor = Tensor(workspace, images: 1, channels: (count + 31) / 16 * 16)
        for index in 0..<tensor.elements.count { tensor.pointer[index] = value(index, salt) }
        return tensor
    }

    /// Sums of `depth` products of values up to 1, in any order: half a unit of the last place a step, at most.
    private static func bound(_ depth: Int) -> Double { Double(depth) * Double(depth + 1) / 2 * 0x1p-24 + 0x1p-23 }

    @Test("Rows times panels are those of double precision, for every number of rows, panels and depth")
    func multiply() {
        Self.compare(depths: [1, 2, 16, 33], members: 1) { count, columns, depth, a, leadingA, b, c, leadingC, ahead in
            TileProduct.multiply(
                count, columns, depth, a, leadingA, b, panelStride: depth * 16, into: c, leadingC, ahead: &ahead)
        }
    }

    /// A product of `count` rows and `columns` channels over a depth, with where the matrices lie.
    private typealias Product = (
        _ count: Int, _ columns: Int, _ depth: Int, _ a: FloatPointer, _ leadingA: Int, _ b: FloatPointer,
        _ c: FloatPointer, _ leadingC: Int, _ ahead: inout Prefetch
    ) -> Void

    /// Compares a product with that of double precision.
    /// - Parameter members: Numbers in the place of a float of the factors: 1, or 2 of bf16.
    private static func compare(depths: [Int], members: Int, _ product: Product) {
        let workspace = Workspace(threads: 1)
        func factor(_ count: Int, _ salt: Int) -> (Tensor, [Double]) {
            if members == 2 { return paired(count, salt, workspace) }
            let numbers = filled(count, salt, workspace)
            return (numbers, numbers.elements.map(Double.init))
        }
        for count in Array(1...14) + [24, 25, 37] {
            for columns in [16, 32, 48] {
                for depth in depths {
                    let (leadingA, leadingC) = (depth + 3, columns + 16)
                    let (a, left) = factor(count * leadingA, 1)
                    let (b, right) = factor(columns * depth, 2)
                    let c = filled(count * leadingC, 3, workspace)
                    var ahead = Prefetch(Prefetch.Area(a.pointer, count: a.elements.count))
                    product(
                        count, columns, depth, a.pointer, leadingA, b.pointer, c.pointer, leadingC, &ahead)
                    for row in 0..<count {
                        for column in 0..<columns {
                            var sum = 0.0
                            for k in 0..<depth {
                                let place = (row * leadingA + k, column / 16 * depth * 16 + k * 16 + column % 16)
                                for member in 0..<members {
                                    sum += left[members * place.0 + member] * right[members * place.1 + member]
                                }
                            }
                            let found = Double(c.pointer[row * leadingC + column])
                            #expect(abs(found - sum) <= bound(members * depth), "\(count) \(columns) \(depth)")
                        }
                        // What lies behind the columns is somebody else's.
                        let behind = row * leadingC + columns
                        #expect(c.pointer[behind] == value(behind, 3))
                    }
                    let last = count * leadingC
                    #expect(c.pointer[last] == value(last, 3))
                }
            }
        }
    }

    @Test("Transposed products are those of double precision, written or added")
    func multiplyTransposed() {
        let workspace = Workspace(threads: 1)
        for count in [1, 5, 6, 7, 12, 13, 32] {
            for columns in [16, 48] {
                for (depth, adds) in [(1, false), (7, true), (24, false), (24, true)] {
                    let (leadingA, leadingB) = (count + 5, columns + 16)
                    let a = Self.filled(depth * leadingA, 1, workspace)
                    let b = Self.filled(depth * leadingB, 2, workspace)
                    let c = Self.filled(count * columns, 3, workspace)
                    var ahead = Prefetch()
                    TileProduct.multiplyTransposed(
                        count, columns, depth, a.pointer, leadingA, b.pointer, leadingB, into: c.pointer, columns,
                        adds: adds, ahead: &ahead)
                    for row in 0..<count {
                        for column in 0..<columns {
                            var sum = adds ? Double(Self.value(row * columns + column, 3)) : 0
                            for k in 0..<depth {
                                sum += Double(a.pointer[k * leadingA + row]) * Double(b.pointer[k * leadingB + column])
                            }
                            let found = Double(c.pointer[row * columns + column])
                            #expect(abs(found - sum) <= Self.bound(depth + 1), "\(count) \(columns) \(depth) \(adds)")
                        }
                    }
                }
            }
        }
    }

    /// A tensor of bf16 numbers of [-1, 1], two in the place of a float, and the numbers themselves.
    private static func paired(_ count: Int, _ salt: Int, _ workspace: Workspace) -> (pairs: Tensor, numbers: [Double])
    {
        let pairs = filled(count, salt, workspace)
        var numbers: [Double] = []
        for index in 0..<pairs.elements.count {
            let halves = [0, 1].map { value(2 * index + $0, salt).bitPattern >> 16 }
            numbers += halves.map { Double(Float(bitPattern: $0 << 16)) }
            pairs.pointer[index] = Float(bitPattern: halves[0] | halves[1] << 16)
        }
        return (pairs, numbers)
    }

    @Test(
        "Rows of bf16 pairs times panels of pairs are those of double precision",
        .enabled(if: Arithmetic.bfloat16.isAvailable))
    func multiplyPairs() {
        // Products of bf16 numbers are floats: only the sums are rounded.
        Self.compare(depths: [1, 2, 8, 17], members: 2) { count, columns, depth, a, leadingA, b, c, leadingC, ahead in
            TileProduct.multiplyPairs(
                count, columns, depth, a, leadingA, b, panelStride: depth * 16, into: c, leadingC, ahead: &ahead)
        }
    }

    @Test(
        "Floats become bf16 by rounding to nearest, ties to even, as neighbours and as pairs of two vectors",
        .enabled(if: Arithmetic.bfloat16.isAvailable))
    func rounding() {
        let values: [Float] = [
            0, -0.0, 1, -1, 1 + 0x1p-8, 1 + 0x1.8p-7, -1 - 0x1p-8, 1 + 0x1.0002p-8, 1 - 0x1p-9, 0x1.fffffep0,
            3.1415927,
            -0x1.fep-100, 0x1.01p100, 1e-20, -7.25, 0.1,
        ]
        let expected: [Float] = [
            0, -0.0, 1, -1, 1, 1 + 0x1p-6, -1, 1 + 0x1p-7, 1, 2, 3.140625, -0x1.fep-100, 0x1p100, 0x1.7ap-67, -7.25,
            0.10009765625,
        ]
        let vector = Vector(values)
        let workspace = Workspace(threads: 1)
        let memory = Self.filled(32, 1, workspace)
        CHardware_storePairs(vector, memory.pointer)
        let both = CHardware_pairs(vector, vector * -1)
        for lane in 0..<16 {
            let bits = memory.pointer[lane / 2].bitPattern
            let half = lane % 2 == 0 ? bits << 16 : bits & 0xFFFF_0000
            #expect(half == expected[lane].bitPattern, "\(values[lane])")
            #expect(both[lane].bitPattern << 16 == expected[lane].bitPattern)
            #expect(both[lane].bitPattern & 0xFFFF_0000 == (-expected[lane]).bitPattern)
        }
        #expect(memory.pointer[8] == Self.value(8, 1))
    }

    @Test("Areas are handed out one after the other, empty ones left out, and end")
    func prefetch() {
        let workspace = Workspace(threads: 1)
        let memory = Self.filled(256, 1, workspace).pointer
        var ahead = Prefetch(
            Prefetch.Area(memory, count: 40), Prefetch.Area(), Prefetch.Area(memory + 128, count: 16),
            Prefetch.Area(nil, count: 64))
        #expect(ahead.take(32) == memory)
        #expect(ahead.take(32) == memory + 32)
        #expect(ahead.take(16) == memory + 128)
        #expect(ahead.take(16) == nil)
        var none = Prefetch()
        #expect(none.take(1) == nil)
    }
}
