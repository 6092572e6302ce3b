import Files
import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite("Which files are images")
struct ImageListingTests {
    private func load(_ folder: ScratchFolder, _ split: DatasetSplit = .train) throws(DatasetError) -> ImageSet {
        try loadDataset(.folder, path: folder.path, split: split, options: ImageFileOptions(resize: 16))
    }

    private func resized(_ name: String, _ side: Int = 16) throws -> [UInt8] {
        try ImageFixture.resized(name, PictureSize(height: side, width: side), .shorterSide)
    }

    @Test("A file is read by its first bytes, whatever its name and however deep it lies")
    func readsByFirstBytes() throws {
        let folder = try ImageTreeTests.animals(
            more: [
                ("train/cat/3.jfif", "rgb.jpg"), ("train/cat/4.jpg_large", "grey.jpg"), ("train/cat/5.webp", "rgb.png"),
                ("train/dog/no-ending", "rgb.png"), ("train/dog/in/deep.er/6.jpe", "cmyk.jpg"),
            ])
        let set = try load(folder)
        #expect(set.count == 14 && set.warnings.isEmpty)
        #expect([0, 1, 2].map { label in set.labels.count { $0 == label } } == [3, 6, 5])
    }

    @Test("Every file that is no image is counted in a warning; one that is called like an image is damaged")
    func warnsOfOtherKinds() throws {
        let folder = try ImageTreeTests.animals()
        for name in ["train/cat/4.gif", "train/dog/more/5", "train/cat/notes.txt", "train/dog/empty"] {
            try folder.write(name, Array((name.hasSuffix("empty") ? "" : "GIF89a").utf8))
        }
        try folder.write("train/beside.jpg", ImageFixture.file("rgb.jpg"))
        #expect(mkfifo(folder("train/ant/pipe"), 0o600) == 0)
        let place = folder.path
        #expect(
            try load(folder).warnings == [
                "\(place): left out, files that are neither JPEG nor PNG: 5, such as train/ant/pipe",
                "\(place): left out, files that lie in no class folder: 1, such as train/beside.jpg",
            ])
        for name in ["train/cat/6.JPG", "train/cat/7.png"] { try folder.write(name, Array("<html>".utf8)) }
        try folder.write("train/cat/8.jpeg", [])
        do {
            _ = try load(folder)
            Issue.record("files that are called like images were left out")
        } catch {
            guard case .corruptImages(_, let images, _) = error else { throw error }
            #expect(images.map(\.file) == ["train/cat/6.JPG", "train/cat/7.png", "train/cat/8.jpeg"])
        }
    }

    /// Writes a file at a place in bytes, below folders that are made.
    private func write(_ name: String, at place: [[UInt8]], in folder: ScratchFolder) throws {
        var path = FilePath(folder.path)
        for part in place {
            _ = path.withPointer { mkdir($0, 0o777) }
            path = path.appending(FilePath(bytes: part))
        }
        let bytes = try ImageFixture.file(name)
        let file = try #require(path.withPointer { fopen($0, "wb") } as UnsafeMutablePointer<FILE>?)
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
        fclose(file)
    }

    @Test("Names are bytes: those that are no UTF-8 and those in other normal forms are classes and files of their own")
    func namesAreBytes() throws {
        let folder = try ScratchFolder()
        // e acute in Latin-1, composed, and as a letter and an accent; and what the first is shown as.
        let names: [[UInt8]] = [
            Array("caf\\xE9".utf8), Array("cafe".utf8) + [0xcc, 0x81], Array("caf".utf8) + [0xc3, 0xa9],
            Array("caf".utf8) + [0xe9], Array("z".utf8),
        ]
        let pictures = ["rgb.jpg", "grey.jpg", "rgb.png", "grey.png", "bits.png"]
        for split in ["train", "val"] {
            for (name, picture) in zip(names, pictures) {
                try write(picture, at: [Array(split.utf8), name, [0xff, 0xfe]], in: folder)
            }
        }
        let set = try load(folder)
        #expect(set.labels == [0, 1, 2, 3, 4])
        #expect(set.classNames == ["caf\\x5CxE9", "cafe\\xCC\\x81", "caf\u{e9}", "caf\\xE9", "z"])
        #expect(Set(set.classNames).count == 5)
        for (index, picture) in pictures.enumerated() {
            #expect(try Array(set.images[index * 768..<(index + 1) * 768]) == resized(picture), "\(picture)")
        }
        #expect(try load(folder, .test).images == set.images)
        // The same word in another normal form is another class, and is named so that the two can be told apart.
        let other = try ScratchFolder()
        try write("rgb.jpg", at: [Array("train".utf8), names[1], Array("1.jpg".utf8)], in: other)
        try write("rgb.jpg", at: [Array("val".utf8), names[2], Array("1.jpg".utf8)], in: other)
        let reason = "classes differ: val lacks cafe\\xCC\\x81 of train; train lacks caf\u{e9} of val"
        expectError(.unusableTree(folder: other.path, reason: reason)) { () throws(DatasetError) in try load(other) }
    }
}
