import TestSupport
import Testing

@testable import Datasets

@Suite("Image files")
struct ImageDecoderTests {
    private let decoder = ImageDecoder()

    /// Expects a file of these bytes to be refused for a reason with these words.
    private func expectFault(
        _ bytes: [UInt8], _ words: [String], name: String = "image.jpg", _ location: SourceLocation = #_sourceLocation
    ) throws {
        let folder = try ScratchFolder()
        let path = try folder.write(name, bytes)
        do {
            let size = try decoder.picture(path).size
            Issue.record("expected a fault, decoded \(size)", sourceLocation: location)
        } catch {
            for word in words {
                #expect(error.reason.contains(word), "\(error.reason)", sourceLocation: location)
            }
        }
    }

    @Test(
        "PNG files of every kind decode to exactly what was put in",
        arguments: [
            "rgb.png", "rgba.png", "grey.png", "bits.png", "palette.png", "rgb16.png", "alpha16.png", "gamma.png",
            "interlaced.png",
        ])
    func decodesPNG(name: String) throws {
        let expected = try ImageFixture.named(name)
        let picture = try decoder.picture(ImageFixture.path(name))
        #expect(picture.size == expected.size)
        #expect(picture.pixels == expected.bytes)
    }

    @Test(
        "JPEG files of every kind decode to what Pillow makes of them",
        arguments: ["rgb.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "ycck.jpg"])
    func decodesJPEG(name: String) throws {
        let expected = try ImageFixture.named(name)
        let picture = try decoder.picture(ImageFixture.path(name))
        #expect(picture.size == expected.size)
        // Pillow brings a libjpeg of its own, and versions may round one step differently; four inks are multiplied.
        let differences = zip(picture.pixels, expected.bytes).map { abs(Int($0) - Int($1)) }
        #expect(differences.count == expected.bytes.count)
        #expect(differences.max() ?? 255 <= 2)
    }

    @Test("The first bytes tell what a file is, not its name")
    func ignoresNames() throws {
        let folder = try ScratchFolder()
        let path = try folder.write("picture.jpg", ImageFixture.file("rgb.png"))
        #expect(try decoder.picture(path).pixels == ImageFixture.named("rgb.png").bytes)
    }

    @Test("A decoder serves file after file of any size and kind")
    func isReused() throws {
        for name in ["rgb.png", "grey.jpg", "rgb.png", "cmyk.jpg", "bits.png"] {
            let again = try decoder.picture(ImageFixture.path(name)).pixels
            #expect(try again == ImageDecoder().picture(ImageFixture.path(name)).pixels)
        }
        try expectFault([0xff, 0xd8, 0xff], [])
        #expect(try decoder.picture(ImageFixture.path("rgb.png")).pixels == ImageFixture.named("rgb.png").bytes)
    }

    @Test("A file cut short at any byte is refused, also where libjpeg would fill it up with grey")
    func refusesTruncated() throws {
        for name in ["rgb.jpg", "progressive.jpg", "rgb.png", "interlaced.png"] {
            let bytes = try ImageFixture.file(name)
            for count in stride(from: 1, to: bytes.count, by: 53) { try expectFault(Array(bytes[..<count]), []) }
            try expectFault(Array(bytes.dropLast(2)), [name.hasSuffix("jpg") ? "Premature end" : "file ends early"])
        }
    }

    @Test("Damaged bits, other kinds and files without an image are refused with the reason")
    func refusesDamaged() throws {
        var png = try ImageFixture.file("rgb.png")
        png[png.count / 2] ^= 1
        try expectFault(png, ["PNG: "])
        try expectFault([], ["empty file"])
        try expectFault(Array("GIF89a..".utf8), ["neither JPEG nor PNG", "47 49 46 38"])
        try expectFault(Array("<html>".utf8), ["neither JPEG nor PNG"])
        try expectFault(try ImageFixture.file("zero.png"), ["PNG: ", "IHDR"])
        var flat = try ImageFixture.file("rgb.jpg")
        let frame = try #require(flat.indices.dropLast().first { flat[$0] == 0xff && flat[$0 + 1] == 0xc0 })
        (flat[frame + 5], flat[frame + 6]) = (0, 0)
        try expectFault(flat, ["JPEG: ", "Empty"])
        do {
            _ = try decoder.picture("/no/such/file.jpg")
            Issue.record("a file that is not there was read")
        } catch {
            #expect(error.reason == "No such file or directory")
        }
        do {
            _ = try decoder.picture(ImageFixture.folder)
            Issue.record("a folder was read")
        } catch {
            #expect(error.reason == "Is a directory")
        }
    }

    @Test("A header that claims billions of pixels is refused before memory is taken for them")
    func refusesBombs() throws {
        for name in ["bomb.jpg", "bomb.png"] {
            try expectFault(
                try ImageFixture.file(name), ["declares 65500 rows of 65500 pixels", "at most 100000000"])
        }
    }

    @Test(
        "Resizing is torchvision's on Pillow images: smaller, larger, and one side only",
        arguments: [("8x8", 0), ("19x7", 0), ("5x23", 0), ("40x31", 0), ("12x50", 1), ("1x1", 0)])
    func resizes(to: String, tolerance: Int) throws {
        let expected = try ImageFixture.named("resized-\(to)")
        var bytes = [UInt8](repeating: 0, count: expected.bytes.count)
        let found = try bytes.withUnsafeMutableBufferPointer { buffer in
            try decoder.decode(
                ImageFixture.path("rgb.png"), to: expected.size, into: try #require(buffer.baseAddress))
        }
        #expect(found == PictureSize(height: 19, width: 23))
        // To 12x50 this Pillow takes rows first, so that other bytes are rounded between the two.
        let differences = zip(bytes, expected.bytes).map { abs(Int($0) - Int($1)) }
        #expect(differences.max() ?? 255 <= tolerance)
    }

    @Test("Weights of every pixel add up to one, whatever the sizes")
    func weighs() {
        for (input, output) in [(1, 5), (5, 1), (500, 256), (255, 256), (256, 256), (3000, 7)] {
            let taps = ResizeTaps(from: input, to: output)
            for place in 0..<output {
                #expect(taps.starts[place] >= 0 && taps.starts[place] + taps.counts[place] <= input)
                let own = taps.weights[place * taps.stride..<place * taps.stride + taps.counts[place]]
                // Each weight is rounded to 2⁻²².
                #expect(abs(own.reduce(0, +) - 1 << 22) <= Int32(taps.counts[place]))
            }
        }
    }
}
