import Tensors
import Testing

@testable import Datasets

@Suite("Augmentation")
struct AugmentationTests {
    /// Two images of 3 x 4 pixels with 2 channels; no byte stands twice in an image and none is 0.
    static let set = ImageSet(
        name: .synthetic, split: .train,
        traits: DatasetTraits(
            classNames: ["a", "b"], height: 3, width: 4, channels: 2, mean: [0, 0], standardDeviation: [1, 1],
            augmentations: []),
        images: (0..<48).map { UInt8($0 + 1) }, labels: [0, 1])

    private func written(_ draw: AugmentationDraw) -> [Float] {
        let tensor = Tensor(Workspace(), images: 1, height: 3, width: 4, channels: 2)
        tensor.fill(-1)
        AugmentationTests.set.write(1, draw, to: tensor.pointer)
        return tensor.toArray()
    }

    @Test("An image that is left as it is has its bytes over 255")
    func leavesAsIs() {
        #expect(written(.unchanged) == (25...48).map { Float($0) / 255 })
    }

    @Test("A crop moves the image and brings in zeros")
    func crops() {
        // One row down and two columns to the left of the original: first row and first two columns shift out.
        let bytes: [Float] = [
            0, 0, 0, 0, 33, 34, 35, 36,
            0, 0, 0, 0, 41, 42, 43, 44,
            0, 0, 0, 0, 0, 0, 0, 0,
        ]
        #expect(written(AugmentationDraw(rows: 1, columns: -2, mirrored: false)) == bytes.map { $0 / 255 })
    }

    @Test("A flip mirrors the window that was cut, channels keep their order")
    func flips() {
        let mirrored: [Float] = [
            31, 32, 29, 30, 27, 28, 25, 26,
            39, 40, 37, 38, 35, 36, 33, 34,
            47, 48, 45, 46, 43, 44, 41, 42,
        ]
        #expect(written(AugmentationDraw(rows: 0, columns: 0, mirrored: true)) == mirrored.map { $0 / 255 })
        let both: [Float] = [
            35, 36, 33, 34, 0, 0, 0, 0,
            43, 44, 41, 42, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0,
        ]
        #expect(written(AugmentationDraw(rows: 1, columns: -2, mirrored: true)) == both.map { $0 / 255 })
    }

    @Test("A shift of more than the image leaves zeros alone")
    func shiftsOut() {
        #expect(written(AugmentationDraw(rows: -4, columns: 4, mirrored: false)) == [Float](repeating: 0, count: 24))
    }

    @Test("Draws are uniform over the offsets of four zeros on each side, and half of the images are mirrored")
    func draws() {
        var counts: [Int: Int] = [:]
        var mirrored = 0
        let draws = 81 * 200
        for index in 0..<draws {
            let draw = AugmentationDraw(
                seed: 1, epoch: 0, index: index, [.crop, .flip], in: AugmentationTests.set.window)
            counts[draw.rows * 100 + draw.columns, default: 0] += 1
            mirrored += draw.mirrored ? 1 : 0
        }
        #expect(counts.count == 81)
        #expect(counts.keys.allSatisfy { abs(Double($0) / 100).rounded() <= 4 })
        // 200 are expected of each, deviation 14.
        #expect(counts.values.allSatisfy { $0 > 130 && $0 < 270 })
        #expect(abs(mirrored - draws / 2) < 320)
    }

    @Test("A draw is a function of seed, epoch and index, and leaving one augmentation out does not move the other")
    func dependsOnItsKeyAlone() {
        func all(seed: UInt64 = 5, epoch: Int = 2, _ asked: Set<Augmentation> = [.crop, .flip]) -> [AugmentationDraw] {
            (0..<50).map {
                AugmentationDraw(seed: seed, epoch: epoch, index: $0, asked, in: AugmentationTests.set.window)
            }
        }
        #expect(all() == all())
        #expect(all() != all(seed: 6))
        #expect(all() != all(epoch: 3))
        #expect(Set(all().map { "\($0)" }).count > 30)
        #expect(all([]).allSatisfy { $0 == .unchanged })
        #expect(all([.crop]).map(\.rows) == all().map(\.rows))
        #expect(all([.crop]).map(\.columns) == all().map(\.columns))
        #expect(all([.crop]).allSatisfy { !$0.mirrored })
        #expect(all([.flip]).map(\.mirrored) == all().map(\.mirrored))
        #expect(all([.flip]).allSatisfy { $0.rows == 0 && $0.columns == 0 })
    }

    @Test("A chunk for evaluation holds the images asked for, in their order and unchanged")
    func chunks() {
        let workspace = Workspace()
        let chunk = AugmentationTests.set.chunk([1, 0], workspace: workspace)
        #expect(chunk.images.shape == "[2, 3, 4, 2]")
        #expect(chunk.images.toArray() == (Array(25...48) + Array(1...24)).map { Float($0) / 255 })
        #expect(chunk.labels == [1, 0])
        #expect(chunk.indices == [1, 0])
        #expect(AugmentationTests.set.chunk(1..<2, workspace: workspace).labels == [1])
    }
}
