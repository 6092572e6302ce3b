import Files
import Foundation
import Testing

@testable import Datasets

/// What Pillow and torchvision make of the image files beside this one; see `Fixtures/make_fixtures.py`.
struct ImageFixture: Decodable {
    let height: Int
    let width: Int
    private let pixels: String

    /// Red, green and blue, row by row.
    var bytes: [UInt8] { [UInt8](Data(base64Encoded: pixels) ?? Data()) }
    var size: PictureSize { PictureSize(height: height, width: width) }

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")
        .path
    static let all = Result {
        try JSONDecoder().decode(
            [String: ImageFixture].self, from: Data(contentsOf: URL(fileURLWithPath: path("expected.json"))))
    }

    static func named(_ name: String) throws -> ImageFixture { try #require(try all.get()[name]) }

    static func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// An image file in another size, red, green and blue.
    static func resized(_ name: String, _ size: PictureSize, _ mode: ResizeMode) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 3 * size.pixels)
        try bytes.withUnsafeMutableBufferPointer { buffer in
            _ = try ImageDecoder().decode(
                FilePath(path(name)), to: size, by: mode, into: try #require(buffer.baseAddress))
        }
        return bytes
    }

    /// Expects bytes that differ from these by no more than a tolerance.
    func expect(_ bytes: [UInt8], within tolerance: Int = 0, _ location: SourceLocation = #_sourceLocation) {
        let differences = zip(bytes, self.bytes).map { abs(Int($0) - Int($1)) }
        #expect(bytes.count == self.bytes.count, sourceLocation: location)
        #expect(differences.max() ?? 0 <= tolerance, sourceLocation: location)
    }

    /// The bytes of an image file.
    static func file(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(name))))
    }
}
