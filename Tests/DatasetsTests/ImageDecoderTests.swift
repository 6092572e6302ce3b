import CZlib
import Files
import Foundation
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
            let size = try decoder.picture(FilePath(path)).size
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
        let picture = try decoder.picture(FilePath(ImageFixture.path(name)))
        #expect(picture.size == expected.size)
        #expect(picture.pixels == expected.bytes)
    }

    @Test(
        "JPEG files of every kind decode to what Pillow makes of them",
        arguments: ["rgb.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "ycck.jpg"])
    func decodesJPEG(name: String) throws {
        let expected = try ImageFixture.named(name)
        let picture = try decoder.picture(FilePath(ImageFixture.path(name)))
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
        #expect(try decoder.picture(FilePath(path)).pixels == ImageFixture.named("rgb.png").bytes)
    }

    @Test("A decoder serves file after file of any size and kind")
    func isReused() throws {
        for name in ["rgb.png", "grey.jpg", "rgb.png", "cmyk.jpg", "bits.png"] {
            let again = try decoder.picture(FilePath(ImageFixture.path(name))).pixels
            #expect(try again == ImageDecoder().picture(FilePath(ImageFixture.path(name))).pixels)
        }
        try expectFault([0xff, 0xd8, 0xff], [])
        #expect(
            try decoder.picture(FilePath(ImageFixture.path("rgb.png"))).pixels == ImageFixture.named("rgb.png").bytes)
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
            _ = try decoder.picture(FilePath(ImageFixture.folder))
            Issue.record("a folder was read")
        } catch {
            #expect(error.reason == "Is a directory")
        }
    }

    /// A PNG of 8-bit grey pixels with chunks before its image data, whose bytes come from `pixels`.
    private func png(width: Int, height: Int, _ pixels: [UInt8], more: [UInt8] = []) throws -> [UInt8] {
        func word(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
        let header = chunk("IHDR", word(width) + word(height) + [8, 0, 0, 0, 0])
        return [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a] + header + more + chunk("IDAT", deflated(pixels))
            + chunk("IEND", [])
    }

    private func chunk(_ kind: String, _ data: [UInt8]) -> [UInt8] {
        func word(_ value: UInt) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
        let body = Array(kind.utf8) + data
        return word(UInt(data.count)) + body + word(UInt(crc32(0, body, UInt32(body.count))))
    }

    private func deflated(_ bytes: [UInt8]) -> [UInt8] {
        var size = compressBound(UInt(bytes.count))
        return [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
            compress(buffer.baseAddress, &size, bytes, UInt(bytes.count))
            count = Int(size)
        }
    }

    @Test("A file and its pixels may take so much memory, and what takes more is refused with the number")
    func refusesTooMuch() throws {
        let (width, height) = (2000, 1500)
        let folder = try ScratchFolder()
        let bytes = try png(width: width, height: height, [UInt8](repeating: 0, count: height * (width + 1)))
        let path = FilePath(try folder.write("a.png", bytes))
        let wanted = bytes.count + 4 * width * height
        #expect(try ImageDecoder(memory: wanted).picture(path).size == PictureSize(height: height, width: width))
        do {
            _ = try ImageDecoder(memory: wanted - 1).picture(path)
            Issue.record("more was decoded than allowed")
        } catch {
            #expect(error.reason.contains("declares 1500 rows of 2000 pixels: \(wanted) bytes, at most \(wanted - 1)"))
        }
        do {
            _ = try ImageDecoder(memory: 100).picture(path)
            Issue.record("more was read than allowed")
        } catch {
            #expect(error.reason.contains("\(bytes.count) bytes, at most 100"))
        }
        // libjpeg holds progressive images whole, two bytes a sample, beside the pixels.
        let progressive = try ImageFixture.file("progressive.jpg")
        let jpeg = FilePath(ImageFixture.path("progressive.jpg"))
        let needed = progressive.count + 9 * 19 * 23
        #expect(try ImageDecoder(memory: needed).picture(jpeg).size.pixels == 19 * 23)
        #expect(throws: ImageFault.self) { try ImageDecoder(memory: needed - 1).picture(jpeg) }
    }

    @Test("Chunks of a PNG that unpack to gigabytes are not unpacked")
    func skipsPackedChunks() throws {
        // libpng would keep a thousand texts of up to 8 MB each.
        let text = chunk("zTXt", Array("text".utf8) + [0, 0] + deflated([UInt8](repeating: 0x20, count: 7_500_000)))
        let bytes = try png(width: 2, height: 1, [0, 7, 9], more: (0..<900).flatMap { _ in text })
        let folder = try ScratchFolder()
        let path = FilePath(try folder.write("a.png", bytes))
        let start = ContinuousClock.now
        #expect(try decoder.picture(path).pixels == [7, 7, 7, 9, 9, 9])
        #expect(ContinuousClock.now - start < .seconds(3))
    }

    @Test("A progressive JPEG of thousands of scans is refused")
    func refusesScans() throws {
        let bytes = try ImageFixture.file("progressive.jpg")
        // The last scan once more, and again.
        let start = try #require(bytes.indices.dropLast().last { bytes[$0] == 0xff && bytes[$0 + 1] == 0xda })
        let scan = bytes[start..<bytes.count - 2]
        let many = bytes.dropLast(2) + (0..<1000).flatMap { _ in scan } + bytes.suffix(2)
        try expectFault(Array(many), ["more than 500 scans"])
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
        // To 12x50 this Pillow takes rows first, so that other bytes are rounded between the two.
        expected.expect(try ImageFixture.resized("rgb.png", expected.size, .squash), within: tolerance)
    }

    @Test("By the shorter side is torchvision's Resize and CenterCrop", arguments: ["rgb", "tall"])
    func resizesByShorterSide(name: String) throws {
        for side in [5, 11, 16, 30] {
            let expected = try ImageFixture.named("central-\(name)-\(side)")
            expected.expect(try ImageFixture.resized(name + ".png", expected.size, .shorterSide), within: 1)
        }
        // 16 * 23 / 19 is 19.37; half of 3 is rounded to 2.
        let scaling = ResizeMode.shorterSide.scaling(
            of: PictureSize(height: 23, width: 19), to: PictureSize(height: 16, width: 16))
        #expect(scaling.scaled == PictureSize(height: 19, width: 16))
        #expect(scaling.kept.top == 2 && scaling.kept.left == 0)
    }

    @Test("A million rows of a pixel are a square like others, in the memory of a square")
    func resizesExtremes() throws {
        for (height, width) in [(1_000_000, 1), (1, 1_000_000), (1, 1), (300_000, 7)] {
            let picture = (0..<3 * height * width).map { UInt8(truncatingIfNeeded: $0 / 3 &* 2_654_435_761 >> 9) }
            for mode in ResizeMode.allCases {
                let size = PictureSize(height: 16, width: 16)
                var resizer = BilinearResizer()
                let square = [UInt8](unsafeUninitializedCapacity: 3 * size.pixels) { buffer, count in
                    let scaling = mode.scaling(of: PictureSize(height: height, width: width), to: size)
                    guard let start = buffer.baseAddress else { return }
                    resizer.resize(picture, width: width, channels: 3, scaling, into: start)
                    count = 3 * size.pixels
                }
                // Grey stays grey.
                #expect(stride(from: 0, to: square.count, by: 3).allSatisfy { square[$0] == square[$0 + 2] })
                let mean = square.reduce(0) { $0 + Int($1) } / square.count
                if mode == .squash, height * width > 1 { #expect((120...135).contains(mean)) }
            }
        }
    }

    @Test("Weights of every pixel add up to one, whatever the sizes")
    func weighs() {
        for (input, output) in [(1, 5), (5, 1), (500, 256), (255, 256), (256, 256), (3000, 7)] {
            let taps = ResizeTaps(from: input, to: output, keeping: 0..<output)
            for place in 0..<output {
                #expect(taps.starts[place] >= 0 && taps.starts[place] + taps.counts[place] <= input)
                let own = taps.weights[place * taps.stride..<place * taps.stride + taps.counts[place]]
                // Each weight is rounded to 2⁻²².
                #expect(abs(own.reduce(0, +) - 1 << 22) <= Int32(taps.counts[place]))
            }
        }
    }
}
