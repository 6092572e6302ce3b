import Testing

@testable import Training

@Suite("gradient norms")
struct GradientNormTests {
    private func withArena(_ values: [Float], _ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
        var values = values
        values.withUnsafeMutableBufferPointer { body($0) }
    }

    @Test("The norm is Euclidean, over runs of any number of values", arguments: [16, 4096, 4112, 12_288])
    func norm(count: Int) {
        withArena((0..<count).map { $0 % 2 == 0 ? 3 : -4 }) { arena in
            #expect(abs(GradientNorm.value(arena) - (12.5 * Double(count)).squareRoot()) < 1e-6 * Double(count))
        }
    }

    @Test("A longer gradient is scaled to the limit, a shorter one is left as it is")
    func clip() {
        withArena([3, 4] + [Float](repeating: 0, count: 14)) { arena in
            let norm = GradientNorm.value(arena)
            #expect(norm == 5)
            GradientNorm.clip(arena, norm: norm, to: 6)
            #expect(arena[0] == 3 && arena[1] == 4)
            GradientNorm.clip(arena, norm: norm, to: 1)
            // PyTorch adds 1e-6 to the norm.
            #expect(abs(arena[0] - 0.6) < 1e-6 && abs(arena[1] - 0.8) < 1e-6)
            #expect(GradientNorm.value(arena) <= 1)
        }
    }
}
