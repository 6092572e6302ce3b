import Foundation
import Tensors
import Testing

@testable import Datasets

@Suite("Random resized crop")
struct RandomResizedCropTests {
    private func part(_ index: Int, _ height: Int, _ width: Int) -> PicturePart {
        var stream = RandomStream(seed: 4, purpose: .resizedCrop, index: index)
        return PicturePart(ofRandomArea: &stream, in: PictureSize(height: height, width: width))
    }

    @Test("Parts have 8% to all of the area and sides from 3:4 to 4:3, and lie anywhere")
    func draws() {
        let count = 4000
        let (height, width) = (200, 240)
        var (areas, logarithms, tops, lefts) = (0.0, 0.0, 0.0, 0.0)
        for index in 0..<count {
            let part = part(index, height, width)
            #expect(part.top >= 0 && part.left >= 0 && part.rows.upperBound <= height)
            #expect(part.columns.upperBound <= width)
            let area = Double(part.size.pixels) / Double(height * width)
            let ratio = Double(part.size.width) / Double(part.size.height)
            // Sides are whole pixels, so that shares and ratios are off by up to a hundredth.
            #expect(area > 0.078 && area <= 1 && ratio > 0.74 && ratio < 1.35)
            areas += area / Double(count)
            logarithms += log(ratio) / Double(count)
            tops += Double(part.top) / Double(max(1, height - part.size.height)) / Double(count)
            lefts += Double(part.left) / Double(max(1, width - part.size.width)) / Double(count)
        }
        // The means of 40,000 draws of torchvision 0.29 for this size: large areas fit less often.
        #expect(abs(areas - 0.4636) < 0.015 && abs(logarithms - 0.0250) < 0.012)
        #expect(abs(tops - 0.5) < 0.03 && abs(lefts - 0.5) < 0.03)
    }

    @Test(
        "Where nothing fits, it is the middle that torchvision takes",
        arguments: [
            ([4, 40], [0, 17, 4, 5]), ([40, 4], [17, 0, 5, 4]), ([1, 3], [0, 1, 1, 1]), ([7, 100], [0, 45, 7, 9]),
            ([9, 9], [0, 0, 9, 9]),
        ])
    func fallsBack(image: [Int], expected: [Int]) {
        let part = PicturePart(largestIn: PictureSize(height: image[0], width: image[1]))
        #expect([part.top, part.left, part.size.height, part.size.width] == expected)
    }

    @Test("A draw is a function of seed, epoch and index, and moves no other one")
    func dependsOnItsKeyAlone() {
        let window = ImageWindow(storedHeight: 40, storedWidth: 40, height: 32, width: 32)
        func all(_ asked: Set<Augmentation>, epoch: Int = 0) -> [AugmentationDraw] {
            (0..<30).map { AugmentationDraw(seed: 2, epoch: epoch, index: $0, asked, in: window) }
        }
        let parts = all([.randomResizedCrop]).map(\.part)
        #expect(parts == all([.randomResizedCrop, .flip, .colorJitter]).map(\.part))
        #expect(parts != all([.randomResizedCrop], epoch: 1).map(\.part))
        #expect(Set(parts.map { "\(String(describing: $0))" }).count > 25)
        let (with, without) = (all([.randomResizedCrop, .flip, .colorJitter]), all([.flip, .colorJitter]))
        #expect(with.map(\.mirrored) == without.map(\.mirrored) && with.map(\.jitter) == without.map(\.jitter))
        #expect(without.allSatisfy { $0.part == nil })
    }

    @Test("A part is scaled as torchvision's resized_crop does, then mirrored")
    func scales() throws {
        let picture = try ImageFixture.named("rgb.png")
        let parts = [
            ("part-3-5-9x13-16", PicturePart(top: 3, left: 5, size: PictureSize(height: 9, width: 13))),
            ("part-0-2-19x20-7", PicturePart(top: 0, left: 2, size: PictureSize(height: 19, width: 20))),
            ("part-18-22-1x1-4", PicturePart(top: 18, left: 22, size: PictureSize(height: 1, width: 1))),
        ]
        for (name, part) in parts {
            let expected = try ImageFixture.named(name)
            let side = expected.height
            // The picture is the second of the set, so that the place of an image counts.
            let set = ImageSet(
                name: .folder, split: .train,
                traits: DatasetTraits(
                    classNames: ["a"], height: side, width: side, channels: 3, mean: [0, 0, 0],
                    standardDeviation: [1, 1, 1], augmentations: []),
                window: ImageWindow(storedHeight: 19, storedWidth: 23, height: side, width: side),
                images: Data([UInt8](repeating: 0, count: picture.bytes.count) + picture.bytes), labels: [0, 0],
                warnings: [])
            func written(mirrored: Bool) -> [UInt8] {
                let tensor = Tensor(Workspace(), images: 1, height: side, width: side, channels: 3)
                set.write(1, AugmentationDraw(rows: 0, columns: 0, mirrored: mirrored, part: part), to: tensor.pointer)
                return tensor.toArray().map { UInt8(($0 * 255).rounded()) }
            }
            let straight = written(mirrored: false)
            expected.expect(straight, within: 1)
            let mirrored = written(mirrored: true)
            for place in 0..<3 * side * side {
                let (y, x, channel) = (place / 3 / side, place / 3 % side, place % 3)
                #expect(mirrored[place] == straight[3 * (y * side + side - 1 - x) + channel])
            }
        }
    }

    @Test("Images of one channel are scaled too")
    func scalesGrey() {
        let set = ImageSet(
            name: .mnist, split: .train, traits: DatasetName.mnist.traits,
            images: (0..<784).map { UInt8($0 / 28 * 9) }, labels: [0])
        let tensor = Tensor(Workspace(), images: 1, height: 28, width: 28, channels: 1)
        let part = PicturePart(top: 10, left: 3, size: PictureSize(height: 8, width: 9))
        set.write(0, AugmentationDraw(rows: 0, columns: 0, mirrored: false, part: part), to: tensor.pointer)
        let rows = (0..<28).map { tensor.toArray()[$0 * 28..<$0 * 28 + 28] }
        // Rows of one value each, which grows from that of row 10 to that of row 17.
        #expect(rows.allSatisfy { Set($0).count == 1 })
        #expect(zip(rows, rows.dropFirst()).allSatisfy { ($0.first ?? 0) <= ($1.first ?? 0) })
        #expect(rows[0].first == 90.0 / 255 && rows[27].first == 153.0 / 255)
    }
}
