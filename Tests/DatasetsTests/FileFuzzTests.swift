import Files
import Foundation
import TestSupport
import Testing

@testable import Datasets

/// Readers meet damaged files: each either reads one or throws its error, and none of them traps, hangs or takes memory
/// that the file does not have.
@Suite("Damaged data files", .serialized)
struct FileFuzzTests {
    /// Enough for any of the files that are damaged here, and for no number that stands in them by damage.
    private static let memory = MemoryBudget(jobLimit: 64 << 20)
    /// The longest that one input may take.
    private static let patience = Duration.seconds(5)

    /// Calls a reader with damaged files.
    /// - Parameters:
    ///   - good: The files that are damaged, one after the other.
    ///   - seed: What the damage is made from.
    ///   - share: In how many tests the inputs of this reader are divided.
    ///   - read: The reader.
    private func feed(
        _ good: [[UInt8]], seed: UInt64, share: Int = 1, _ read: ([UInt8]) throws -> Void,
        location: SourceLocation = #_sourceLocation
    ) {
        let inputs = Mutation.inputs / share
        var mutation = Mutation(seed: seed)
        var wasRead = 0
        let peak = Self.peakMemory
        for number in 0..<inputs {
            let bytes = mutation.mutate(good[number % good.count])
            let start = ContinuousClock.now
            do {
                try read(bytes)
                wasRead += 1
            } catch is DatasetError {
            } catch is ImageFault {
            } catch {
                Issue.record("input \(number) of seed \(seed): \(error)", sourceLocation: location)
            }
            let time = ContinuousClock.now - start
            #expect(time < Self.patience, "input \(number) of seed \(seed)", sourceLocation: location)
        }
        // Where all are read, nothing was damaged.
        #expect(wasRead < inputs, "\(wasRead)", sourceLocation: location)
        // Other tests run beside these, with hundreds of megabytes of their own.
        #expect(Self.peakMemory - peak < 2 << 30, sourceLocation: location)
    }

    /// The most memory that this process has had, in bytes.
    private static var peakMemory: Int {
        let words = KernelText.process.value("VmHWM")?.split(separator: " ") ?? []
        return (words.first.flatMap { Int($0) } ?? 0) << 10
    }

    /// Reads a data set whose one file, or one of two, is damaged.
    private func load(_ name: DatasetName, _ folder: ScratchFolder) throws {
        let options = ImageFileOptions(memory: Self.memory)
        let set = try loadDataset(name, path: folder.path, split: .test, options: options)
        #expect(set.labels.allSatisfy { $0 >= 0 && $0 < set.classes })
    }

    @Test("CIFAR files", arguments: [false, true])
    func cifar(compressed: Bool) throws {
        let folder = try ScratchFolder()
        let records = (0..<3).flatMap { [UInt8($0)] + [UInt8](repeating: UInt8(7 * $0), count: 3072) }
        let path = try folder.write("test_batch.bin", records, compressed: compressed)
        let good = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        feed([good], seed: compressed ? 1 : 2, share: 2) { bytes in
            try folder.write("test_batch.bin", bytes)
            try load(.cifar10, folder)
        }
    }

    @Test("IDX files", arguments: [false, true], ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
    func idx(compressed: Bool, damaged: String) throws {
        let folder = try ScratchFolder()
        let pixels = [UInt8](repeating: 9, count: 4 * 784)
        let images = try folder.write(
            "t10k-images-idx3-ubyte", [0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 28, 0, 0, 0, 28] + pixels,
            compressed: compressed)
        let labels = try folder.write(
            "t10k-labels-idx1-ubyte", [0, 0, 8, 1, 0, 0, 0, 4, 1, 2, 3, 4], compressed: compressed)
        let path = damaged.contains("images") ? images : labels
        let good = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        feed([good], seed: compressed ? 3 : 4, share: 4) { bytes in
            try folder.write(damaged, bytes)
            try load(.mnist, folder)
        }
    }

    /// Decodes a damaged picture; a decoder that met damage must still serve the next file.
    private func decode(_ names: [String], seed: UInt64) throws {
        let folder = try ScratchFolder()
        let decoder = ImageDecoder(memory: Self.memory.decoder(threads: 1))
        var square = [UInt8](repeating: 0, count: 3 * 32 * 32)
        feed(try names.map(ImageFixture.file), seed: seed) { bytes in
            let path = FilePath(try folder.write("image", bytes))
            try square.withUnsafeMutableBufferPointer { buffer in
                let start = try #require(buffer.baseAddress)
                _ = try decoder.decode(
                    path, to: PictureSize(height: 32, width: 32), by: .shorterSide, into: start)
            }
        }
        let good = FilePath(ImageFixture.path("rgb.png"))
        #expect(try decoder.picture(good).pixels == ImageFixture.named("rgb.png").bytes)
    }

    @Test("PNG files")
    func png() throws {
        try decode(["rgb.png", "rgba.png", "palette.png", "interlaced.png", "alpha16.png", "bits.png"], seed: 5)
    }

    @Test("JPEG files")
    func jpeg() throws { try decode(["rgb.jpg", "progressive.jpg", "cmyk.jpg", "grey.jpg", "bomb.jpg"], seed: 6) }

    @Test("Packs, as they are and with an index whose checksum is right", arguments: [false, true])
    func packs(indexAlone: Bool) throws {
        let folder = try ImageTreeTests.animals()
        let good = try ImagePackTests.pack(folder)
        let length = good[(good.count - 48)...].prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let index = Array(good[(good.count - 48 - length)..<good.count - 48])
        feed([indexAlone ? index : good], seed: indexAlone ? 7 : 8, share: 2) { bytes in
            let whole =
                indexAlone ? ImagePackTests.withIndex(of: good) { _ in String(decoding: bytes, as: UTF8.self) } : bytes
            let path = try folder.write("damaged.pack", whole)
            for split in DatasetSplit.allCases {
                let set = try loadDataset(
                    .folder, path: path, split: split, options: ImageFileOptions(memory: Self.memory))
                #expect(set.images.count == set.count * set.window.storedHeight * set.window.storedWidth * set.channels)
            }
        }
    }
}
