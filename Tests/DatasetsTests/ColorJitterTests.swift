import Tensors
import Testing

@testable import Datasets

@Suite("Colour jitter")
struct ColorJitterTests {
    /// Four pixels: bluish, reddish, a pure green-cyan, grey.
    private static let image: [Float] = [0.2, 0.4, 0.9, 0.8, 0.1, 0.3, 0, 1, 0.5, 0.6, 0.6, 0.6]

    private func changed(_ order: [ColorJitter.Change], turn: Float = 0.2) -> [Float] {
        var image = Self.image
        let jitter = ColorJitter(amounts: [1.25, 0.75, 1.3, turn], order: order)
        image.withUnsafeMutableBufferPointer { jitter.apply(to: $0, 3) }
        return image
    }

    // The expected values come from torchvision's formulas and Python's colorsys, in double precision.
    @Test(
        "Each change does what torchvision's does, and so do all of them in order",
        arguments: [
            ([.brightness], 0.2, [0.25, 0.5, 1, 1, 0.125, 0.375, 0, 1, 0.625, 0.75, 0.75, 0.75]),
            (
                [.contrast], 0.2,
                [
                    0.2733213, 0.4233213, 0.7983213, 0.7233213, 0.1983213, 0.3483212, 0.1233213, 0.8733213, 0.4983212,
                    0.5733213, 0.5733213, 0.5733213,
                ]
            ),
            (
                [.saturation], 0.2,
                [
                    0.140846, 0.400846, 1, 0.940394, 0.030394, 0.290394, 0, 1, 0.4568, 0.600018, 0.600018, 0.600018,
                ]
            ),
            ([.hue], 0.2, [0.84, 0.2, 0.9, 0.8, 0.74, 0.1, 0, 0.3, 1, 0.6, 0.6, 0.6]),
            ([.hue], -0.25, [0.2, 0.9, 0.35, 0.25, 0.1, 0.8, 1, 1, 0, 0.6, 0.6, 0.6]),
            (
                [.hue, .saturation, .contrast, .brightness], 0.2,
                [
                    1, 0.2716619, 1, 0.9427739, 0.8696489, 0.1604021, 0.1604021, 0.4444364, 1, 0.7229189, 0.7229189,
                    0.7229189,
                ]
            ),
        ] as [([ColorJitter.Change], Float, [Float])])
    func changes(order: [ColorJitter.Change], turn: Float, expected: [Float]) {
        // Expected values have seven digits.
        for (found, expected) in zip(changed(order, turn: turn), expected) { #expect(abs(found - expected) < 1e-6) }
    }

    @Test("Draws stay within 30% and 0.3 turns, and every order occurs")
    func draws() {
        var orders: Set<[Int]> = []
        var largest: [Float] = [0, 0, 0, 0]
        for index in 0..<1000 {
            let draw = AugmentationDraw(
                seed: 1, epoch: 0, index: index, [.colorJitter], in: AugmentationTests.set.window)
            guard let jitter = draw.jitter else { continue }
            #expect(draw.rows == 0 && draw.columns == 0 && !draw.mirrored)
            orders.insert(jitter.order.map(\.rawValue))
            for change in ColorJitter.Change.allCases {
                let center: Float = change == .hue ? 0 : 1
                largest[change.rawValue] = max(largest[change.rawValue], abs(jitter.amounts[change.rawValue] - center))
            }
        }
        #expect(orders.count == 24)
        #expect(largest.allSatisfy { $0 > 0.29 && $0 <= 0.3 })
    }

    @Test("It shifts no other draw, belongs to the image and the epoch, and leaves grey images their greys")
    func independence() {
        func draw(_ epoch: Int, _ asked: Set<Augmentation>) -> AugmentationDraw {
            AugmentationDraw(seed: 7, epoch: epoch, index: 3, asked, in: AugmentationTests.set.window)
        }
        let (with, without) = (draw(0, [.crop, .flip, .colorJitter]), draw(0, [.crop, .flip]))
        #expect((with.rows, with.columns, with.mirrored) == (without.rows, without.columns, without.mirrored))
        #expect(without.jitter == nil && with.jitter == draw(0, [.colorJitter]).jitter)
        #expect(with.jitter != draw(1, [.colorJitter]).jitter)
        var grey: [Float] = [0.2, 0.8]
        let jitter = ColorJitter(amounts: [1, 1, 1.3, 0.2], order: ColorJitter.Change.allCases)
        grey.withUnsafeMutableBufferPointer { jitter.apply(to: $0, 1) }
        #expect(grey == [0.2, 0.8])
    }
}
