import Foundation

/// What an attack made of images of a data set, as a safetensors file that other programs write and read too: `images`
/// [n, channels, height, width] with values in [0, 1], and `indices` [n], the place of each in its split from 0; `labels` [n]
/// are written along and not read.
package struct AttackedImages: Equatable, Sendable {
    /// The place of each image in its split.
    package let indices: [Int]
    /// The class of each image; empty where it was read.
    package let labels: [Int]
    /// Rows, columns and channels of an image.
    package let shape: [Int]
    /// The values, `[n][height][width][channels]`.
    package let pixels: [Float]

    /// Makes a value of its parts.
    /// - Parameter shape: Rows, columns and channels.
    package init(indices: [Int], labels: [Int], shape: [Int], pixels: [Float]) {
        precondition(shape.count == 3, "images have rows, columns and channels, got \(shape)")
        self.indices = indices
        self.labels = labels
        self.shape = shape
        self.pixels = pixels
    }

    private static let names: Set<String> = ["images", "indices", "labels"]

    /// Makes a value of pixels as bytes: row-major 32-bit floating point in the byte order of the machine.
    package init(indices: [Int], labels: [Int], shape: [Int], bytes: Data) {
        let pixels = [Float](unsafeUninitializedCapacity: bytes.count / MemoryLayout<Float>.size) { buffer, count in
            count = bytes.copyBytes(to: buffer) / MemoryLayout<Float>.size
        }
        self.init(indices: indices, labels: labels, shape: shape, pixels: pixels)
    }

    /// Writes a file that takes the place of `path` in one step.
    package func write(to path: String) throws(FileFormatError) {
        let (area, channels) = (shape[0] * shape[1], shape[2])
        var planes = [Float](repeating: 0, count: pixels.count)
        for place in pixels.indices {
            let (pixel, channel) = (place / channels, place % channels)
            planes[(pixel / area * channels + channel) * area + pixel % area] = pixels[place]
        }
        try SafetensorsFile.write(
            [
                NamedTensor(
                    name: "images", shape: [indices.count, channels, shape[0], shape[1]], values: .float(planes)),
                NamedTensor(name: "indices", shape: [indices.count], values: .int64(indices.map(Int64.init))),
                NamedTensor(name: "labels", shape: [labels.count], values: .int64(labels.map(Int64.init))),
            ], to: path)
    }

    /// Reads a file of images of this shape.
    /// - Parameter shape: Rows, columns and channels that images must have.
    package init(path: String, shape: [Int]) throws(FileFormatError) {
        let tensors = try SafetensorsFile.read(path)
        let expected = "images [n, \(shape[2]), \(shape[0]), \(shape[1])] and whole indices [n]"
        guard let images = tensors["images"], case .float(let planes) = images.values,
            let places = tensors["indices"], case .int64(let indices) = places.values,
            images.shape == [indices.count, shape[2], shape[0], shape[1]], places.shape == [indices.count],
            indices.allSatisfy({ $0 >= 0 })
        else {
            let found = tensors.values.map { "\($0.name) \($0.shape)" }.sorted().joined(separator: ", ")
            throw .malformed(path: path, subject: "its tensors", expected: expected, found: found)
        }
        guard Set(indices).count == indices.count else {
            throw .malformed(path: path, subject: "indices", expected: "each once", found: "some twice")
        }
        let (area, channels) = (shape[0] * shape[1], shape[2])
        var pixels = [Float](repeating: 0, count: planes.count)
        for place in pixels.indices {
            let (pixel, channel) = (place / channels, place % channels)
            pixels[place] = planes[(pixel / area * channels + channel) * area + pixel % area]
        }
        self.init(indices: indices.map(Int.init), labels: [], shape: shape, pixels: pixels)
    }

    /// Whether a file is one that ``write(to:)`` wrote, by what it holds.
    package static func isOne(_ path: String) -> Bool {
        guard let kinds = try? SafetensorsFile.kinds(path) else { return false }
        return Set(kinds.keys) == names
    }

    /// The values of each image, by its index.
    package var byIndex: [Int: [Float]] {
        let size = shape.reduce(1, *)
        return Dictionary(
            uniqueKeysWithValues: indices.enumerated().map { ($1, Array(pixels[$0 * size..<($0 + 1) * size])) })
    }
}
