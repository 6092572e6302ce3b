import Datasets
import Networks
import Testing

@testable import Configuration
@testable import Evaluation
@testable import Files

@Suite("Pathways and masks")
struct MaskOverlapTests {
    private static let traits = DatasetTraits(
        classNames: ["a", "b"], height: 8, width: 8, channels: 3, mean: [0, 0, 0], standardDeviation: [1, 1, 1],
        augmentations: [])

    private func network(_ scope: String, _ more: [String] = []) throws -> Network {
        let configuration = try RunConfiguration.resolve(
            layers: ([
                "model.width=4", "model.ratio=0.5", "moe.kind=channel", "moe.experts=2", "moe.scope=\(scope)",
                "moe.router=\(scope == "image" ? "resnet20" : "gap-linear")",
                "moe.placement=[layer1.0.conv1, layer1.0.conv2]",
            ] + more).map { ConfigurationLayer(override: $0) })
        return try Network(configuration.networkSettings(Self.traits), seed: 1)
    }

    private let masks = [
        "layer1.0.conv1": [true, true, false, false], "layer1.0.conv2": [false, true, true, false],
        "layer4.1.conv2": [true],
    ]

    @Test("the overlap is shared channels over all channels, expert e's being e·w to (e + 1)·w")
    func values() throws {
        let layers = try MaskOverlap(masks, try network("layer"), path: "masks")
        // Expert 0 of the first layer is what the mask keeps, expert 1 what it does not; of the second each is half kept.
        #expect(layers.value([[0], [0]]) == 3.0 / 5)
        #expect(layers.value([[1], [0]]) == 1.0 / 7)
        #expect(layers.value([[0], [0]]) == layers.value([[0], [1]]))
        let image = try MaskOverlap(masks, try network("image"), path: "masks")
        #expect(image.value([[0]]) == 3.0 / 5 && image.value([[1]]) == 1.0 / 7)
    }

    @Test("experts that are windows of the dense layer's channels share what they share of the mask")
    func windows() throws {
        let network = try network("layer", ["moe.experts=3", "moe.slabs=overlapping"])
        let overlap = try MaskOverlap(masks, network, path: "masks")
        // Windows begin at 0, 1 and 2: of the first mask they keep 2, 1 and 0 channels, of the second 1, 2 and 1.
        #expect(overlap.value([[0], [0]]) == 3.0 / 5)
        #expect(overlap.value([[1], [1]]) == 3.0 / 5)
        #expect(overlap.value([[2], [2]]) == 1.0 / 7)
    }

    @Test("chance is the mean over all choices of experts, those of one router made together")
    func chance() throws {
        let layers = try MaskOverlap(masks, try network("layer"), path: "masks")
        let choices = [[[0], [0]], [[0], [1]], [[1], [0]], [[1], [1]]]
        #expect(abs(layers.chance - choices.map(layers.value).reduce(0, +) / 4) < 1e-12)
        let image = try MaskOverlap(masks, try network("image"), path: "masks")
        #expect(abs(image.chance - (image.value([[0]]) + image.value([[1]])) / 2) < 1e-12)
    }

    @Test("masks of other layers, or of other widths, are refused")
    func refusals() throws {
        let network = try network("layer")
        let none = #expect(throws: RunError.self) { try MaskOverlap(["conv1": [true]], network, path: "run") }
        #expect("\(try #require(none))".contains("layer1.0.conv2"))
        let wide = #expect(throws: RunError.self) {
            try MaskOverlap(["layer1.0.conv1": [true, false]], network, path: "run")
        }
        #expect("\(try #require(wide))".contains("has 2 channels, this network's 2 experts of 2 have 4"))
    }

    @Test("the distribution counts every image once")
    func distribution() {
        let rows = MaskOverlapRow.rows([0, 0.019, 0.02, 0.5, 1], split: "test", inputs: "clean")
        #expect(rows.count == 50 && rows.reduce(0) { $0 + $1.count } == 5)
        #expect(rows[0].count == 2 && rows[1].count == 1 && rows[25].count == 1 && rows[49].count == 1)
    }

    @Test("a dissection holds mean and deviation of the overlap")
    func dissection() throws {
        let overlap = try MaskOverlap(masks, try network("layer"), path: "masks")
        var dissection = Dissection()
        dissection.add(chosen: [[0], [0]], clean: [[0], [0]], isCorrect: true, mask: overlap)
        dissection.add(chosen: [[1], [0]], clean: [[0], [0]], isCorrect: true, mask: overlap)
        let row = dissection.row(split: "test", inputs: "clean")
        let (a, b) = (3.0 / 5, 1.0 / 7)
        #expect(abs((row.maskOverlap ?? 0) - (a + b) / 2) < 1e-12)
        #expect(abs((row.maskOverlapDeviation ?? 0) - (a - b) / 2) < 1e-12)
    }
}
