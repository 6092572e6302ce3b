import Testing

@testable import Tensors

@Suite("Vectors")
struct VectorTests {
    @Test("ReLU clears what is negative and keeps NaNs of either sign")
    func rectifiedKeepsNaN() {
        let negativeNaN = Float(bitPattern: 0xFFC0_0000)
        let values: [Float] = [
            1, -1, 0, -0.0, .infinity, -.infinity, .nan, negativeNaN, .leastNonzeroMagnitude, -.leastNonzeroMagnitude,
            .greatestFiniteMagnitude, -.greatestFiniteMagnitude, Float(bitPattern: 0xFF80_0001), 2.5, -2.5, 3,
        ]
        var vector = Vector.zero
        for (lane, value) in values.enumerated() { vector[lane] = value }
        let result = rectified(vector)
        for (lane, value) in values.enumerated() {
            if value.isNaN {
                #expect(result[lane].isNaN)
            } else {
                #expect(result[lane].bitPattern == (value > 0 ? value : 0).bitPattern)
            }
        }
    }
}
