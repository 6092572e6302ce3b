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

    /// The bytes of an image file.
    static func file(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(name))))
    }
}
