import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("Pictures of evaluations")
struct PictureTests {
    @Test("example images come back as they were written, in their order")
    func exampleImages() throws {
        let scratch = try ScratchFolder()
        var images = ExampleImages(shape: [2, 3, 3])
        func pixels(_ start: Int) -> [Float] { (0..<18).map { Float(start + $0) / 64 } }
        func bytes(_ values: [Float]) -> Data { values.withUnsafeBytes { Data($0) } }
        images.append(clean: bytes(pixels(0)), attacked: bytes(pixels(7)))
        images.append(clean: bytes(pixels(20)), attacked: bytes(pixels(40)))
        try images.write(to: scratch("e.safetensors"))
        let read = try ExampleImages(path: scratch("e.safetensors"))
        #expect(read == images && read.attacked[1] == pixels(40))
        let tensors = try SafetensorsFile.read(scratch("e.safetensors"))
        #expect(tensors["clean"]?.shape == [2, 3, 2, 3])
        guard case .float(let planes) = tensors["clean"]?.values else {
            Issue.record("clean is no tensor of floating-point numbers")
            return
        }
        // The red plane of the first image.
        #expect(planes.prefix(6) == [0, 3, 6, 9, 12, 15].map { Float($0) / 64 }[...])
    }

    @Test("a file of other tensors is refused")
    func otherTensors() throws {
        let scratch = try ScratchFolder()
        let other = NamedTensor(name: "clean", shape: [1, 1, 1, 1], values: .float([0]))
        try SafetensorsFile.write([other], to: scratch("e.safetensors"))
        #expect(throws: FileFormatError.self) { try ExampleImages(path: scratch("e.safetensors")) }
    }

    @Test("a PNG has its signature, size, kind of pixels, and checksums that hold")
    func png() throws {
        let bytes = PNGImage.bytes(shares: [0, 0.5, 1, -1, 2, 0.25], width: 2, height: 1, channels: 3)
        #expect(bytes.prefix(8) == [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
        // IHDR: 13 bytes of width, height, depth and kind, then the checksum that ISO/IEC 15948 gives for this very chunk.
        #expect(Array(bytes[8..<29]) == [0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 1, 8, 2, 0, 0, 0])
        #expect(bytes.suffix(12) == [0, 0, 0, 0, 73, 69, 78, 68, 0xAE, 0x42, 0x60, 0x82])
        #expect(PNGImage.bytes([0, 255], width: 1, height: 2, channels: 1)[25] == 0)
    }
}
