import TestSupport
import Testing

@testable import Datasets

@Suite("Tiny-ImageNet")
struct TinyImageNetTests {
    private func resized(_ name: String, _ side: Int = 16) throws -> [UInt8] {
        try ImageFixture.resized(name, PictureSize(height: side, width: side), .shorterSide)
    }

    /// Tiny-ImageNet's layout with two classes.
    static func tiny(annotations: String = "val_1.JPEG\tn02\t0\t0\t9\t9\nval_0.JPEG\tn01\t0\t0\t9\t9\n") throws
        -> ScratchFolder
    {
        let folder = try ImageTreeTests.tree([
            ("tiny-imagenet-200/train/n01/images/n01_0.JPEG", "rgb.jpg"),
            ("tiny-imagenet-200/train/n01/images/n01_1.JPEG", "grey.jpg"),
            ("tiny-imagenet-200/train/n02/images/n02_0.JPEG", "cmyk.jpg"),
            ("tiny-imagenet-200/val/images/val_0.JPEG", "rgb.jpg"),
            ("tiny-imagenet-200/val/images/val_1.JPEG", "ycck.jpg"),
        ])
        try folder.write("tiny-imagenet-200/wnids.txt", Array("n02\nn01\n".utf8))
        try folder.write("tiny-imagenet-200/words.txt", Array("n01\tgoldfish, carp\nn99\tother\n".utf8))
        try folder.write("tiny-imagenet-200/train/n01/n01_boxes.txt", Array("n01_0.JPEG\t0\t0\t1\t1\n".utf8))
        try folder.write("tiny-imagenet-200/val/val_annotations.txt", Array(annotations.utf8))
        return folder
    }

    @Test("Tiny-ImageNet is read as it is published, with labels by sorted numbers and words as names")
    func loadsTinyImageNet() throws {
        let folder = try Self.tiny()
        let train = try loadDataset(.tinyImageNet, path: folder.path, split: .train)
        #expect(train.labels == [0, 1, 0])
        #expect(train.classNames == ["goldfish, carp", "n02"])
        #expect(train.height == 64 && train.width == 64)
        // The boxes that are published beside the images are not worth a word.
        #expect(train.warnings.isEmpty)
        #expect(train.mean == [0.4802, 0.4481, 0.3975])
        #expect(try Array(train.images.prefix(64 * 64 * 3)) == resized("rgb.jpg", 64))
        let test = try loadDataset(.tinyImageNet, path: folder.path + "/tiny-imagenet-200", split: .test)
        #expect(test.labels == [0, 1])
        #expect(try Array(test.images.suffix(64 * 64 * 3)) == resized("ycck.jpg", 64))
    }

    @Test("Files of Tiny-ImageNet's classes are read by their first bytes, or counted")
    func countsOtherFiles() throws {
        let folder = try Self.tiny()
        let classes = "tiny-imagenet-200/train"
        try folder.write("\(classes)/n01/images/n01_2", ImageFixture.file("grey.jpg"))
        try folder.write("\(classes)/n02/images/n02_1.gif", Array("GIF89a".utf8))
        let train = try loadDataset(.tinyImageNet, path: folder.path, split: .train)
        #expect(train.labels == [0, 1, 0, 0])
        let warning = "left out, files that are neither JPEG nor PNG: 1, such as train/n02/images/n02_1.gif"
        #expect(train.warnings == ["\(folder.path)/tiny-imagenet-200: \(warning)"])
    }

    @Test("Tiny-ImageNet's lists are checked against each other and the files")
    func refusesTinyImageNet() throws {
        func message(_ annotations: String) throws -> String {
            let folder = try Self.tiny(annotations: annotations)
            do {
                _ = try loadDataset(.tinyImageNet, path: folder.path, split: .test)
                return "none"
            } catch {
                guard case .unusableTree(_, let reason) = error else { throw error }
                return reason
            }
        }
        #expect(try message("val_0.JPEG\tn01\nval_1.JPEG\tn03\n") == "line 2: n03 is not in wnids.txt")
        #expect(try message("val_0.JPEG n01\n") == "line 1 is no file and class, set apart by a tab")
        #expect(try message("val_0.JPEG\tn01\nval_0.JPEG\tn01\n") == "line 2: val_0.JPEG stands there twice")
        #expect(
            try message("val_0.JPEG\tn01\n")
                == "1 images without a line in val_annotations.txt, such as val_1.JPEG")
        #expect(throws: DatasetError.self) { try message("val_0.JPEG\tn01\nval_1.JPEG\tn01\nval_9.JPEG\tn01\n") }
        let folder = try Self.tiny()
        try folder.write("tiny-imagenet-200/wnids.txt", Array("n01\nn02\nn03\n".utf8))
        #expect(
            throws: DatasetError.unusableTree(
                folder: folder.path + "/tiny-imagenet-200", reason: "classes differ: train lacks n03 of wnids.txt")
        ) { try loadDataset(.tinyImageNet, path: folder.path, split: .train) }
    }
}
