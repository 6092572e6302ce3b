import TestSupport
import Testing

@testable import Datasets

@Suite("Example: a data set")
struct STL10FilesTests {
    private static let size = 3 * 96 * 96

    private func value(_ image: Int, _ channel: Int, _ row: Int, _ column: Int) -> UInt8 {
        UInt8((image * 50 + channel * 17 + row * 3 + column * 5) % 256)
    }

    /// Three images, planes of columns.
    private func planes() -> [UInt8] {
        (0..<3).flatMap { image in
            (0..<Self.size).map { value(image, $0 / 9216, $0 % 96, $0 / 96 % 96) }
        }
    }

    private func load(_ folder: ScratchFolder, samples: Int? = nil) throws(DatasetError) -> ImageSet {
        // A set of its own has a name of its own.
        try STL10Files.load(.synthetic, folder.path, .train, samples, MemoryBudget())
    }

    @Test("planes of columns become rows of pixels, classes are counted from 0", arguments: [nil, 2])
    func loads(_ samples: Int?) throws {
        let folder = try ScratchFolder()
        try folder.write("train_X.bin", planes())
        try folder.write("train_y.bin", [10, 1, 3])
        let set = try load(folder, samples: samples)
        #expect(set.labels == Array([9, 0, 2].prefix(samples ?? 3)) && set.classNames[9] == "truck")
        for image in set.labels.indices {
            for (row, column, channel) in [(0, 0, 0), (0, 1, 0), (1, 0, 2), (95, 40, 1), (30, 95, 2)] {
                let place = image * Self.size + (row * 96 + column) * 3 + channel
                #expect(set.images[place] == value(image, channel, row, column))
            }
        }
    }

    @Test("cut, too long and mislabelled files are named with what was expected")
    func refusals() throws {
        let folder = try ScratchFolder()
        try folder.write("train_y.bin", [10, 1, 3])
        let file = "\(folder.path)/train_X.bin"
        try folder.write("train_X.bin", Array(planes().dropLast()))
        expectError(
            .cutShort(file: file, record: 2, expected: 3 * Self.size, found: 3 * Self.size - 1)
        ) { () throws(DatasetError) in try load(folder) }
        try folder.write("train_X.bin", planes() + [0])
        expectError(
            .tooLong(file: file, records: 3, expected: 3 * Self.size, found: 3 * Self.size + 1)
        ) { () throws(DatasetError) in try load(folder) }
        try folder.write("train_y.bin", [10, 11, 3])
        expectError(
            .labelOutside(file: "\(folder.path)/train_y.bin", record: 1, label: 10, allowed: 10)
        ) { () throws(DatasetError) in try load(folder) }
    }
}
