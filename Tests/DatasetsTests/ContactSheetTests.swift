import Files
import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite("Contact sheets") struct ContactSheetTests {
    private static let gap = 2

    /// Reads a PNG file's pixels, red, green and blue.
    private func pixels(_ png: [UInt8], width: Int, height: Int) throws -> [UInt8] {
        let scratch = try ScratchFolder()
        let path = try scratch.write(png, to: "sheet.png")
        #expect(png[16..<24].map { Int($0) } == [width, height].flatMap { [0, 0, $0 >> 8, $0 & 255] })
        var bytes = [UInt8](repeating: 0, count: 3 * width * height)
        try bytes.withUnsafeMutableBufferPointer { buffer in
            _ = try ImageDecoder().decode(
                FilePath(path), to: PictureSize(height: height, width: width), by: .squash,
                into: try #require(buffer.baseAddress))
        }
        return bytes
    }

    @Test("Each class has its first ten images in its row, training above test, twice as large")
    func rows() throws {
        var sheet = ContactSheet()
        for split in DatasetSplit.allCases {
            _ = try scanDataset(.synthetic, path: nil, split: split) { sheet.add($0, split) }
        }
        #expect(sheet.imagesOfClass == 10)
        let cell = 2 * 32 + Self.gap
        let width = 10 * cell + Self.gap
        let png = try #require(try sheet.png())
        let sheetPixels = try pixels(png, width: width, height: 2 * width + 16)
        for (number, split) in DatasetSplit.allCases.enumerated() {
            let set = try loadDataset(.synthetic, path: nil, split: split)
            for label in [0, 3, 9] {
                let images = set.labels.indices.filter { set.labels[$0] == Int32(label) }
                for (column, image) in images.prefix(10).enumerated() {
                    let top = number * (width + 16) + label * cell + Self.gap
                    let left = column * cell + Self.gap
                    for (y, x) in [(0, 0), (17, 5), (31, 31)] {
                        let source = ((image * 32 + y) * 32 + x) * 3
                        for (dy, dx) in [(0, 0), (1, 1)] {
                            let target = ((top + 2 * y + dy) * width + left + 2 * x + dx) * 3
                            #expect(sheetPixels[target..<target + 3].elementsEqual(set.images[source..<source + 3]))
                        }
                    }
                }
            }
        }
        // Between the cells, and between the splits.
        for place in [0, width * width * 3 + 7] { #expect(sheetPixels[place] == 128) }
    }

    @Test("Grey images make a grey sheet; many classes have few places; large images are scaled down")
    func sizes() throws {
        func sheet(classes: Int, side: Int, channels: Int) throws -> (ContactSheet, [UInt8]) {
            let traits = DatasetTraits(
                classNames: (0..<classes).map(String.init), height: side, width: side, channels: channels,
                mean: Array(repeating: 0.5, count: channels), standardDeviation: Array(repeating: 1, count: channels),
                augmentations: [])
            let window = ImageWindow(storedHeight: side, storedWidth: side, height: side, width: side)
            let bytes = [UInt8](repeating: 77, count: 3 * side * side * channels)
            var sheet = ContactSheet()
            bytes.withUnsafeBytes {
                sheet.add(StoredBlock(images: $0, labels: [0, 1, 1], traits: traits, window: window), .train)
            }
            return (sheet, try #require(try sheet.png()))
        }
        let (grey, greyFile) = try sheet(classes: 2, side: 64, channels: 1)
        #expect(grey.imagesOfClass == 10 && greyFile[25] == 0)
        let (many, _) = try sheet(classes: 200, side: 16, channels: 3)
        #expect(many.imagesOfClass == 2)
        let (most, file) = try sheet(classes: 1000, side: 200, channels: 3)
        #expect(most.imagesOfClass == 1 && file[25] == 2)
        let all = try pixels(file, width: 20 * 98 + 2, height: 50 * 98 + 2)
        #expect(all[(2 * 1962 + 2) * 3] == 77 && all[(2 * 1962 + 2 + 98) * 3] == 77)
        #expect(all[(2 * 1962 + 2 + 2 * 98) * 3] == 128)
        #expect(try ContactSheet().png() == nil)
    }
}
