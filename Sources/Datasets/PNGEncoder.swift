import CPNG
import Files

/// Makes a PNG file of a picture.
/// - Parameters:
///   - pixels: `[height][width][channels]`, one channel for grey, three for colours.
///   - width: The pixels of a row.
///   - height: The rows.
/// - Returns: The bytes of the file.
/// - Throws: ``DatasetError`` where libpng cannot, with what it says.
func pngFile(_ pixels: [UInt8], width: Int, height: Int) throws(DatasetError) -> [UInt8] {
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    image.width = UInt32(width)
    image.height = UInt32(height)
    image.format = pixels.count == width * height ? 0 : UInt32(PNG_FORMAT_FLAG_COLOR)
    precondition(
        pixels.count == width * height * (image.format == 0 ? 1 : 3),
        "\(pixels.count) bytes for \(height) x \(width) pixels")
    var bytes: [UInt8] = []
    // Asked for the size first, then for the bytes.
    for _ in 0..<2 {
        var size = bytes.count
        let isWritten = bytes.withUnsafeMutableBytes {
            png_image_write_to_memory(&image, size == 0 ? nil : $0.baseAddress, &size, 0, pixels, 0, nil)
        }
        guard isWritten != 0 else {
            let message = withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            throw .unusableTree(folder: "contact sheet", reason: "libpng: \(message)")
        }
        if bytes.isEmpty { bytes = [UInt8](repeating: 0, count: size) }
    }
    return bytes
}
