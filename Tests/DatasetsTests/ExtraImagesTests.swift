import Files
import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite("Extra images")
struct ExtraImagesTests {
    /// Nine images of three classes, 16 by 16.
    private func animals() throws -> ImageSet {
        let folder = try ImageTreeTests.animals()
        return try withExtendedLifetime(folder) {
            try loadDataset(.folder, path: folder.path, split: .train, options: ImageFileOptions(resize: 16))
        }
    }

    private func problem(_ path: String, beside set: ImageSet) -> String {
        do {
            _ = try ExtraImages(path, beside: set)
            return ""
        } catch { return error.description }
    }

    @Test("A folder of classes has labels, all classes or some, and one of images alone has none")
    func folders() throws {
        let set = try animals()
        let tree = try ImageTreeTests.animals()
        let whole = try ExtraImages(tree.path, beside: set)
        #expect(whole.isLabelled && whole.set.images == set.images && whole.set.labels == set.labels)
        let some = try ImageTreeTests.tree([
            ("dog/1.png", "rgb.png"), ("cat/1.jpg", "rgb.jpg"), ("dog/2.png", "grey.png"),
        ])
        let labelled = try ExtraImages(some.path, beside: set)
        #expect(labelled.isLabelled && labelled.set.labels == [1, 2, 2] && labelled.set.classNames == set.classNames)
        let none = try ImageTreeTests.tree([("1.png", "rgb.png"), ("deep/er/2.jpg", "rgb.jpg")])
        let unlabelled = try ExtraImages(none.path, beside: set)
        #expect(!unlabelled.isLabelled && unlabelled.set.count == 2 && unlabelled.set.height == 16)
        let mixed = try ImageTreeTests.tree([("dog/1.png", "rgb.png"), ("bear/1.jpg", "rgb.jpg")])
        #expect(problem(mixed.path, beside: set).contains("a folder bear beside those of classes"))
        #expect(problem(some("nothing"), beside: set).contains("expected a pack or a folder of images"))
        let empty = try ScratchFolder()
        #expect(problem(empty.path, beside: set).contains("no JPEG or PNG file"))
    }

    @Test("A pack of another shape or of other classes is refused with what was found and expected")
    func packs() throws {
        let set = try animals()
        let folder = try ImageTreeTests.animals()
        let own = try folder.write("own.pack", ImagePackTests.pack(folder))
        let extra = try ExtraImages(own, beside: set)
        #expect(extra.isLabelled && extra.labelsFrom == nil && extra.set.contentDigest == set.contentDigest)
        let large = try folder.write("large.pack", ImagePackTests.pack(folder, resize: 17))
        #expect(problem(large, beside: set).contains("found images of 17 x 17 x 3, expected 16 x 16 x 3"))
        let others = try ImageTreeTests.tree([
            ("train/ant/1.png", "rgb.png"), ("train/bee/1.png", "rgb.png"), ("train/dog/1.png", "rgb.png"),
            ("val/ant/1.png", "rgb.png"), ("val/bee/1.png", "rgb.png"), ("val/dog/1.png", "rgb.png"),
        ])
        let bees = try others.write("bees.pack", ImagePackTests.pack(others))
        #expect(problem(bees, beside: set).contains("found class 1 called bee, expected cat"))
        #expect(problem(own, beside: SyntheticImages().images(.train, count: 3)).contains("images of 16 x 16 x 3"))
    }

    @Test("A network's labels make a pack that tells whose they are, and that has no test images")
    func labels() throws {
        let set = try animals()
        let none = try ImageTreeTests.tree([("1.png", "rgb.png"), ("2.jpg", "rgb.jpg"), ("3.png", "grey.png")])
        let images = try ExtraImages(none.path, beside: set)
        var bytes: [UInt8] = []
        var writer = try PackWriter { bytes += $0 }
        let origin = images.origin(weights: "abc")
        try writer.write(images.set, labels: [2, 0, 2], from: origin)
        let path = try none.write("labels.pack", bytes)
        let labelled = try ExtraImages(path, beside: set)
        #expect(labelled.isLabelled && labelled.set.labels == [2, 0, 2] && labelled.set.images == images.set.images)
        #expect(labelled.labelsFrom == origin && origin.source == images.set.contentDigest)
        #expect(ExtraImages.labelOrigin(ofPackAt: path) == origin)
        #expect(throws: DatasetError.self) { try loadDataset(.folder, path: path, split: .test) }
        bytes[PackIndex.page + 5] ^= 1
        let damaged = try none.write("damaged.pack", bytes)
        #expect(problem(damaged, beside: set).contains("damaged: train has the SHA-256"))
    }
}
