import Datasets
import Testing

@testable import Evaluation
@testable import Files

@Suite("What experts get, and how sure routers are")
struct ExpertMapsTests {
    /// Six images of 2 x 2 gray pixels, image i all of value 10 (i + 1).
    private let set = ImageSet(
        name: .synthetic, split: .test,
        traits: DatasetTraits(
            classNames: ["a", "b"], height: 2, width: 2, channels: 1, mean: [0], standardDeviation: [1],
            augmentations: []),
        images: (0..<6).flatMap { [UInt8](repeating: UInt8(10 * ($0 + 1)), count: 4) }, labels: [0, 1, 0, 1, 0, 1])

    @Test("the picture has a row an expert, and each class's images in its places")
    func picture() throws {
        let maps = ExpertMaps([[[[0, 2], [1]], [[4], [3, 5]]]])
        let png = try #require(maps.png(set))
        // Two classes of four places, 2 pixels and a gap of 2 each; two experts with 8 more between them.
        let (width, height) = (2 * 4 * 4 + 2, 2 * (4 + 8) + 2)
        #expect(png[16..<24].elementsEqual([0, 0, 0, UInt8(width), 0, 0, 0, UInt8(height)]))
        var expected = [UInt8](repeating: 128, count: width * height)
        func draw(_ image: Int, _ expert: Int, _ place: Int) {
            for y in 0..<2 {
                for x in 0..<2 { expected[(2 + 12 * expert + y) * width + 2 + 4 * place + x] = UInt8(10 * (image + 1)) }
            }
        }
        for (image, expert, place) in [(0, 0, 0), (2, 0, 1), (1, 0, 4), (4, 1, 0), (3, 1, 4), (5, 1, 5)] {
            draw(image, expert, place)
        }
        #expect(
            png
                == PNGImage.bytes(
                    expected, width: width, height: height, channels: 1, software: PNGImage.ownSoftware))
        #expect(ExpertMaps([]).png(set) == nil)
    }

    @Test("a file of the picture is known as ours, another PNG is not")
    func origin() {
        let pixels = [UInt8](repeating: 1, count: 4)
        for (software, isOurs) in [(PNGImage.ownSoftware as String?, true), ("another", false), (nil, false)] {
            let png = PNGImage.bytes(pixels, width: 2, height: 2, channels: 1, software: software)
            let text = String(decoding: png, as: UTF8.self)
            #expect(text.contains("Software\0RobustMoE") == isOurs)
        }
    }

    @Test("scores are counted expert by expert, both ends included, and add up over chunks")
    func scores() {
        var histogram = ScoreHistogram(scores: [0, 1, 0.049, 0.951, 0.5, 0.5], experts: 2)
        histogram.add(ScoreHistogram(scores: [0.25, 0.75], experts: 2))
        let rows = histogram.rows(split: "test", inputs: "clean", layer: "layer4.0")
        #expect(rows.count == 40)
        func counts(_ expert: Int) -> [Int: Int] {
            Dictionary(
                uniqueKeysWithValues: rows.filter { $0.expert == expert && $0.count > 0 }.map { ($0.bin, $0.count) })
        }
        #expect(counts(0) == [0: 2, 5: 1, 10: 1] && counts(1) == [19: 2, 10: 1, 15: 1])
        #expect(rows.allSatisfy { $0.samples == 4 })
        #expect(ScoreHistogram(scores: [], experts: 2).rows(split: "test", inputs: "clean", layer: "l").isEmpty)
    }
}
