import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite("IDX files")
struct IdxFilesTests {
    private func bigEndian(_ words: [UInt32]) -> [UInt8] {
        words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * UInt32($0))) } }
    }

    private func pixels(_ count: Int) -> [UInt8] {
        (0..<count * 784).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
    }

    private func imageFile(_ count: Int) -> [UInt8] { bigEndian([0x803, UInt32(count), 28, 28]) + pixels(count) }

    private func labelFile(_ labels: [UInt8]) -> [UInt8] { bigEndian([0x801, UInt32(labels.count)]) + labels }

    private func load(_ folder: ScratchFolder) -> () throws(DatasetError) -> ImageSet {
        { () throws(DatasetError) in try loadDataset(.mnist, path: folder.path, split: .test) }
    }

    @Test("Plain and gzip files give the same images", arguments: [false, true])
    func loads(compressed: Bool) throws {
        let folder = try ScratchFolder()
        let ending = compressed ? ".gz" : ""
        try folder.write("train-images-idx3-ubyte" + ending, imageFile(5), compressed: compressed)
        try folder.write("train-labels-idx1-ubyte" + ending, labelFile([3, 1, 4, 1, 9]), compressed: compressed)
        let set = try loadDataset(.fashionMNIST, path: folder.path, split: .train)
        #expect(Array(set.images) == pixels(5))
        #expect(set.labels == [3, 1, 4, 1, 9])
        #expect(set.images.count == 5 * set.height * set.width && set.channels == 1 && set.classes == 10)
        let first = try loadDataset(.fashionMNIST, path: folder.path, split: .train, samples: 2)
        #expect(Array(first.images) == pixels(2))
        #expect(first.labels == [3, 1])
        expectError(.wrongSampleCount(dataset: .fashionMNIST, split: .train, asked: 6, found: 5)) {
            () throws(DatasetError) in try loadDataset(.fashionMNIST, path: folder.path, split: .train, samples: 6)
        }
    }

    @Test("The folder above the files does as well; missing files are named")
    func looksBelow() throws {
        let folder = try ScratchFolder()
        try folder.write("mnist/t10k-images-idx3-ubyte.gz", imageFile(1), compressed: true)
        let message = expectError(
            .notFound(
                dataset: .mnist, wanted: "t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz",
                folders: [folder.path, folder.path + "/mnist"]), load(folder))
        #expect(message.contains("no t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz in \(folder.path) or"))
        try folder.write("mnist/t10k-labels-idx1-ubyte", labelFile([7]))
        #expect(try load(folder)().labels == [7])
        expectError(.pathNeeded(dataset: .mnist)) { () throws(DatasetError) in
            try loadDataset(.mnist, path: nil, split: .test)
        }
    }

    @Test("A file of another kind is an error, also under a file name of images")
    func refusesMagic() throws {
        let folder = try ScratchFolder()
        let images = try folder.write("t10k-images-idx3-ubyte", labelFile([1]))
        let labels = try folder.write("t10k-labels-idx1-ubyte", labelFile([1]))
        let message = expectError(.wrongMagic(file: images, expected: 0x803, found: 0x801), load(folder))
        #expect(message == "\(images): expected the IDX number 0x00000803, found 0x00000801")
        try folder.write("t10k-images-idx3-ubyte", imageFile(1))
        try folder.write("t10k-labels-idx1-ubyte", imageFile(1))
        expectError(.wrongMagic(file: labels, expected: 0x801, found: 0x803), load(folder))
    }

    @Test("Wrong sizes, different counts and empty sets are errors")
    func refusesHeaders() throws {
        let folder = try ScratchFolder()
        let labels = try folder.write("t10k-labels-idx1-ubyte", labelFile([1, 2]))
        let images = try folder.write("t10k-images-idx3-ubyte", bigEndian([0x803, 2, 28]))
        expectError(.headerCutShort(file: images, expected: 16, found: 12), load(folder))
        try folder.write("t10k-images-idx3-ubyte", bigEndian([0x803, 2, 32, 28]) + pixels(3))
        expectError(.wrongImageSize(file: images, expected: "28 x 28", found: "32 x 28"), load(folder))
        try folder.write("t10k-images-idx3-ubyte", imageFile(3))
        let message = expectError(
            .countMismatch(imageFile: images, images: 3, labelFile: labels, labels: 2), load(folder))
        #expect(message == "\(images) holds 3 images but \(labels) 2 labels")
        try folder.write("t10k-images-idx3-ubyte", imageFile(0))
        try folder.write("t10k-labels-idx1-ubyte", labelFile([]))
        expectError(.empty(file: images), load(folder))
        try folder.write("t10k-images-idx3-ubyte", [])
        expectError(.headerCutShort(file: images, expected: 16, found: 0), load(folder))
    }

    @Test("Files that are too short or too long give the record and both sizes", arguments: [false, true])
    func refusesSizes(compressed: Bool) throws {
        let folder = try ScratchFolder()
        let labels = try folder.write("t10k-labels-idx1-ubyte", labelFile([1, 2, 3]), compressed: compressed)
        let images = try folder.write(
            "t10k-images-idx3-ubyte", Array(imageFile(3).dropLast(800)), compressed: compressed)
        let message = expectError(
            .cutShort(file: images, record: 1, expected: 16 + 3 * 784, found: 16 + 3 * 784 - 800), load(folder))
        #expect(message == "\(images): ends inside record 1, expected 2368 bytes, found 1568")
        try folder.write("t10k-images-idx3-ubyte", imageFile(3) + [0, 0], compressed: compressed)
        expectError(.tooLong(file: images, records: 3, expected: 2368, found: 2370), load(folder))
        try folder.write("t10k-images-idx3-ubyte", imageFile(3), compressed: compressed)
        try folder.write("t10k-labels-idx1-ubyte", labelFile([1, 2, 3]) + [4], compressed: compressed)
        expectError(.tooLong(file: labels, records: 3, expected: 11, found: 12), load(folder))
    }

    @Test("A header that claims four thousand million images ends at what the file holds")
    func refusesClaim() throws {
        let folder = try ScratchFolder()
        let claim = Int(UInt32.max)
        try folder.write("t10k-images-idx3-ubyte", bigEndian([0x803, .max, 28, 28]) + pixels(1))
        let labels = try folder.write("t10k-labels-idx1-ubyte", bigEndian([0x801, .max]) + [1])
        expectError(.cutShort(file: labels, record: 1, expected: 8 + claim, found: 9), load(folder))
    }

    @Test("A label outside of the classes is an error")
    func refusesLabel() throws {
        let folder = try ScratchFolder()
        try folder.write("t10k-images-idx3-ubyte", imageFile(2))
        let labels = try folder.write("t10k-labels-idx1-ubyte", labelFile([9, 11]))
        let message = expectError(.labelOutside(file: labels, record: 1, label: 11, allowed: 10), load(folder))
        #expect(message == "\(labels): record 1 has label 11, allowed are 0 to 9")
    }

    @Test("Gzip data that end early, or whose checksum differs, are errors that name the file")
    func refusesDamagedGzip() throws {
        let folder = try ScratchFolder()
        try folder.write("t10k-labels-idx1-ubyte", labelFile([1, 2, 3]))
        let images = try folder.write("t10k-images-idx3-ubyte.gz", imageFile(3), compressed: true)
        #expect(Array(try load(folder)().images) == pixels(3))
        let good = try [UInt8](Data(contentsOf: URL(fileURLWithPath: images)))
        // In the middle; and in the checksum, where every image has been read already.
        for length in [good.count / 2, good.count - 5] {
            try folder.write("t10k-images-idx3-ubyte.gz", Array(good.prefix(length)))
            let message = expectError(.damaged(file: images, reason: "unexpected end of file"), load(folder))
            #expect(message == "\(images): damaged gzip data (unexpected end of file)")
        }
        var flipped = good
        flipped[good.count - 6] ^= 1
        try folder.write("t10k-images-idx3-ubyte.gz", flipped)
        expectError(.damaged(file: images, reason: "incorrect data check"), load(folder))
    }

    @Test("What follows a stream of gzip is damage, unless it is another one")
    func refusesBytesAfterGzip() throws {
        let folder = try ScratchFolder()
        try folder.write("t10k-labels-idx1-ubyte", labelFile([1, 2, 3]))
        let images = try folder.write("t10k-images-idx3-ubyte.gz", imageFile(3), compressed: true)
        let whole = try [UInt8](Data(contentsOf: URL(fileURLWithPath: images)))
        for more in [[0], [0x1f], Array("next".utf8), [UInt8](repeating: 0, count: 300_000)] {
            try folder.write("t10k-images-idx3-ubyte.gz", whole + more)
            expectError(
                .damaged(file: images, reason: "\(more.count) bytes after the end at byte \(whole.count)"),
                load(folder))
        }
        // Streams one after the other are one, also where the cut is anywhere.
        let halves = try [imageFile(3).prefix(1000), imageFile(3).dropFirst(1000)].map { half in
            let part = try folder.write("part", Array(half), compressed: true)
            return try [UInt8](Data(contentsOf: URL(fileURLWithPath: part)))
        }
        try folder.write("t10k-images-idx3-ubyte.gz", halves[0] + halves[1])
        #expect(Array(try load(folder)().images) == pixels(3))
        try folder.write("t10k-images-idx3-ubyte.gz", halves[0] + halves[1].dropLast(9))
        expectError(.damaged(file: images, reason: "unexpected end of file"), load(folder))
    }

    @Test("Another number of images than the published one is a warning with both")
    func countsImages() throws {
        let folder = try ScratchFolder()
        let images = try folder.write("t10k-images-idx3-ubyte", imageFile(2))
        try folder.write("t10k-labels-idx1-ubyte", labelFile([1, 2]))
        let warning = "\(images): 2 images, the published file has 10000"
        #expect(try load(folder)().warnings == [warning])
        #expect(try scanDataset(.mnist, path: folder.path, split: .test).warnings == [warning])
        try folder.write("t10k-images-idx3-ubyte", imageFile(10_000))
        try folder.write("t10k-labels-idx1-ubyte", labelFile([UInt8](repeating: 3, count: 10_000)))
        #expect(try load(folder)().warnings.isEmpty)
    }

    @Test("Images that would not fit are refused before any is unpacked")
    func refusesTooMuch() throws {
        let folder = try ScratchFolder()
        let count = 200_000
        let bomb = bigEndian([0x803, UInt32(count), 28, 28]) + [UInt8](repeating: 0, count: count * 784)
        let images = try folder.write("t10k-images-idx3-ubyte", bomb, compressed: true)
        try folder.write("t10k-labels-idx1-ubyte", labelFile([UInt8](repeating: 0, count: count)), compressed: true)
        let options = ImageFileOptions(memory: MemoryBudget(jobLimit: 300 << 20))
        expectError(
            .exceedsMemory(place: images, bytes: count * 789, budget: options.memory, advice: "")
        ) { () throws(DatasetError) in
            try loadDataset(.mnist, path: folder.path, split: .test, options: options)
        }
    }

    @Test("A file that may not be read is an error that gives the system's reason")
    func refusesUnreadable() {
        #expect(throws: DatasetError.unreadable(file: "/nowhere/file", reason: "No such file or directory")) {
            try CompressedFile("/nowhere/file")
        }
    }

    @Test(
        "Debian's Fashion-MNIST is read without a path",
        .enabled(if: RealData.hasFashion, "dataset-fashion-mnist is not installed"))
    func readsFashion() throws {
        let train = try loadDataset(.fashionMNIST, path: nil, split: .train)
        let test = try loadDataset(.fashionMNIST, path: nil, split: .test, samples: 1000)
        #expect(train.count == 60_000)
        #expect(test.count == 1000)
        #expect(train.labels.prefix(5) == [9, 0, 0, 3, 0])
        let values = train.images.map { Double($0) / 255 }
        let mean = values.reduce(0, +) / Double(values.count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
        #expect(abs(mean - Double(train.mean[0])) < 1e-4)
        #expect(abs(variance.squareRoot() - Double(train.standardDeviation[0])) < 1e-4)
    }
}
