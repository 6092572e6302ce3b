import CJPEG
import CPNG
import Files

/// Why one image file is of no use, in words that follow its name.
struct ImageFault: Error, Equatable {
    let reason: String
}

/// Turns image files into red, green and blue bytes of one size; its memory serves one worker, file after file.
///
/// JPEG and PNG are told apart by their first bytes, whatever the name. Grey and palettes become colours, and 16 bits
/// their upper 8; the black, cyan, magenta and yellow of JPEGs are taken as Adobe stores them, inverted. What is
/// transparent lies over black. Profiles, gamma and EXIF rotation are not applied, as in Pillow. A file that libjpeg would
/// fill up with grey, or whose bits are no code, is damaged.
final class ImageDecoder {
    /// The most pixels that a file may declare, however much memory there is: a few bytes can claim gigabytes.
    static let mostPixels = 100_000_000

    private let memory: Int
    private var file: [UInt8] = []
    private var pixels: [UInt8] = []
    private var resizer = BilinearResizer()

    /// Makes a decoder.
    /// - Parameter memory: The most bytes that a file, its pixels and what libjpeg wants for them may take.
    init(memory: Int = .max) { self.memory = memory }

    /// Reads a file and writes it in the wanted size.
    /// - Parameters:
    ///   - path: The file.
    ///   - size: The size wanted.
    ///   - mode: What becomes of another ratio of the sides.
    ///   - destination: Receives `3 * size.pixels` bytes, `[height][width][channel]`.
    /// - Returns: The size that the file has.
    func decode(
        _ path: FilePath, to size: PictureSize, by mode: ResizeMode, into destination: UnsafeMutablePointer<UInt8>
    ) throws(ImageFault) -> PictureSize {
        let found = try decode(path)
        pixels.withUnsafeBufferPointer { pixels in
            guard let start = pixels.baseAddress else { return }
            resizer.resize(
                start, width: found.width, channels: 3, mode.scaling(of: found, to: size), into: destination)
        }
        return found
    }

    /// Reads a file as it is, and returns its size and its pixels, `[height][width][channel]`.
    func picture(_ path: FilePath) throws(ImageFault) -> (size: PictureSize, pixels: [UInt8]) {
        let size = try decode(path)
        return (size, Array(pixels[..<(3 * size.pixels)]))
    }

    private func decode(_ path: FilePath) throws(ImageFault) -> PictureSize {
        let count = try read(path)
        let start = file[..<min(count, PictureKind.signatureSize)]
        switch PictureKind(start) {
        case .jpeg: return try decodeJPEG(count)
        case .png: return try decodePNG(count)
        case nil:
            let bytes = start.map { [$0].hexadecimal }.joined(separator: " ")
            throw ImageFault(reason: "neither JPEG nor PNG, begins with \(bytes)")
        }
    }

    /// Reads a file into memory and returns its size in bytes.
    private func read(_ path: FilePath) throws(ImageFault) -> Int {
        func asFault<Value>(_ body: () throws(FileSystemError) -> Value) throws(ImageFault) -> Value {
            do { return try body() } catch { throw ImageFault(reason: error.reason) }
        }
        let input = try asFault { () throws(FileSystemError) in try InputFile(path) }
        let count = input.size
        guard count > 0 else { throw ImageFault(reason: "empty file") }
        guard count <= memory else {
            throw ImageFault(reason: "\(count) bytes, at most \(memory) may be taken for a file and its pixels")
        }
        grow(&file, to: count)
        let filled = try asFault { () throws(FileSystemError) in
            try file.withUnsafeMutableBufferPointer { (buffer) throws(FileSystemError) in
                try input.read(into: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count), at: 0)
            }
        }
        guard filled == count else { throw ImageFault(reason: "ends early: \(filled) of \(count) bytes") }
        return count
    }

    private func decodeJPEG(_ count: Int) throws(ImageFault) -> PictureSize {
        var message = [CChar](repeating: 0, count: Int(CJPEG_messageSize) + 1)
        var shape = CJPEG_Shape()
        guard CJPEG_read(file, count, &shape, nil, &message) == 0 else { throw fault("JPEG", message) }
        let samples = Int(shape.channels)
        let bytesOfPixel = shape.isHeldWhole == 0 ? samples : samples + 2 * samples
        let size = try checkedSize(shape.height, shape.width, bytesOfPixel: bytesOfPixel, file: count)
        grow(&pixels, to: size.pixels * samples)
        guard CJPEG_read(file, count, &shape, &pixels, &message) == 0 else { throw fault("JPEG", message) }
        if shape.channels == 4 { inkToColor(size.pixels) }
        return size
    }

    private func decodePNG(_ count: Int) throws(ImageFault) -> PictureSize {
        var message = [CChar](repeating: 0, count: Int(CPNG_messageSize) + 1)
        var (width, height) = (0, 0)
        guard CPNG_read(file, count, &width, &height, nil, &message) == 0 else { throw fault("PNG", message) }
        let size = try checkedSize(height, width, bytesOfPixel: 4, file: count)
        grow(&pixels, to: 4 * size.pixels)
        guard CPNG_read(file, count, &width, &height, &pixels, &message) == 0 else { throw fault("PNG", message) }
        layOverBlack(size.pixels)
        return size
    }

    private func checkedSize(
        _ height: Int, _ width: Int, bytesOfPixel: Int, file: Int
    ) throws(ImageFault) -> PictureSize {
        guard height > 0, width > 0 else { throw ImageFault(reason: "no pixels, \(height) rows of \(width)") }
        let (pixels, overflows) = height.multipliedReportingOverflow(by: width)
        guard !overflows, pixels <= ImageDecoder.mostPixels else {
            throw ImageFault(
                reason: "declares \(height) rows of \(width) pixels, at most \(ImageDecoder.mostPixels) are decoded")
        }
        let bytes = file + pixels * bytesOfPixel
        guard bytes <= memory else {
            throw ImageFault(
                reason: "declares \(height) rows of \(width) pixels: \(bytes) bytes, at most \(memory) may be taken "
                    + "for a file and its pixels")
        }
        return PictureSize(height: height, width: width)
    }

    private func fault(_ kind: String, _ message: [CChar]) -> ImageFault {
        let text = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return ImageFault(reason: "\(kind): \(text)")
    }

    /// Turns inverted cyan, magenta, yellow and black into red, green and blue, in place.
    private func inkToColor(_ count: Int) {
        pixels.withUnsafeMutableBufferPointer { bytes in
            for pixel in 0..<count {
                let light = Int(bytes[4 * pixel + 3])
                for channel in 0..<3 {
                    let ink = 255 - Int(bytes[4 * pixel + channel])
                    bytes[3 * pixel + channel] = UInt8(max(0, light - scaled(ink, by: light)))
                }
            }
        }
    }

    /// Takes away the fourth byte of every pixel, by which the others count, in place.
    private func layOverBlack(_ count: Int) {
        pixels.withUnsafeMutableBufferPointer { bytes in
            for pixel in 0..<count {
                let alpha = Int(bytes[4 * pixel + 3])
                for channel in 0..<3 {
                    bytes[3 * pixel + channel] = UInt8(scaled(Int(bytes[4 * pixel + channel]), by: alpha))
                }
            }
        }
    }

    /// The product of two bytes, each a share of 255, rounded to the nearest.
    private func scaled(_ value: Int, by share: Int) -> Int { (value * share + 127) / 255 }

    private func grow(_ buffer: inout [UInt8], to count: Int) {
        guard buffer.count < count else { return }
        // What there is goes before the larger one comes.
        buffer = []
        buffer = [UInt8](repeating: 0, count: count)
    }
}
