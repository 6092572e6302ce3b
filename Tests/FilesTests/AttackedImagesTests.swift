import TestSupport
import Testing

@testable import Files

@Suite("Files of attacked images")
struct AttackedImagesTests {
    private let images = AttackedImages(
        indices: [3, 1], labels: [0, 2], shape: [2, 1, 3], pixels: (0..<12).map { Float($0) / 12 })

    @Test("Images are written channel by channel, and read back as they were")
    func roundTrip() throws {
        let folder = try ScratchFolder()
        let path = folder("a.safetensors")
        try images.write(to: path)
        let tensors = try SafetensorsFile.read(path)
        #expect(tensors["images"]?.shape == [2, 3, 2, 1])
        // The first image: pixels (0, 1, 2) and (3, 4, 5), by channel.
        guard case .float(let planes) = tensors["images"]?.values else { return }
        #expect(planes.prefix(6).map { Int(($0 * 12).rounded()) } == [0, 3, 1, 4, 2, 5])
        #expect(AttackedImages.isOne(path))
        let read = try AttackedImages(path: path, shape: [2, 1, 3])
        #expect(read.indices == images.indices && read.pixels == images.pixels)
        #expect(read.byIndex[1] == Array(images.pixels[6...]))
    }

    @Test("Other shapes, other tensors and indices that stand twice are refused")
    func refused() throws {
        let folder = try ScratchFolder()
        let path = folder("a.safetensors")
        try images.write(to: path)
        #expect { _ = try AttackedImages(path: path, shape: [1, 2, 3]) } throws: {
            "\($0)".contains("images [n, 3, 1, 2]") && "\($0)".contains("images [2, 3, 2, 1]")
        }
        try AttackedImages(indices: [1, 1], labels: [0, 0], shape: [2, 1, 3], pixels: images.pixels).write(to: path)
        #expect { _ = try AttackedImages(path: path, shape: [2, 1, 3]) } throws: {
            "\($0)".contains("found some twice")
        }
        try SafetensorsFile.write([NamedTensor(name: "x", shape: [1], values: .float([1]))], to: path)
        #expect(!AttackedImages.isOne(path))
        #expect { _ = try AttackedImages(path: path, shape: [2, 1, 3]) } throws: { "\($0)".contains("found x [1]") }
    }
}
