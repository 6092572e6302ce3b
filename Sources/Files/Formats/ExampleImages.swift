import Foundation

/// Images of an evaluation beside what attacks made of them, as `example_images.safetensors`: `clean` and `attacked`
/// [n, channels, height, width] with values in [0, 1], in the order of the rows of `examples.csv`.
package struct ExampleImages: Equatable, Sendable {
    /// The name in the directory of an evaluation.
    package static let fileName = "example_images.safetensors"

    /// Rows, columns and channels of an image.
    package let shape: [Int]
    /// The clean images, each `[height][width][channels]`.
    package private(set) var clean: [[Float]] = []
    /// The attacked ones, of the same places.
    package private(set) var attacked: [[Float]] = []

    /// No images yet.
    /// - Parameter shape: Rows, columns and channels.
    package init(shape: [Int]) {
        precondition(shape.count == 3, "images have rows, columns and channels, got \(shape)")
        self.shape = shape
    }

    /// Adds one more, as bytes: row-major 32-bit floating point in the byte order of the machine.
    package mutating func append(clean: Data, attacked: Data) {
        func values(_ data: Data) -> [Float] {
            [Float](unsafeUninitializedCapacity: data.count / MemoryLayout<Float>.size) { buffer, count in
                count = data.copyBytes(to: buffer) / MemoryLayout<Float>.size
            }
        }
        self.clean.append(values(clean))
        self.attacked.append(values(attacked))
    }

    /// Writes a file that takes the place of `path` in one step.
    package func write(to path: String) throws(FileFormatError) {
        func tensor(_ name: String, _ images: [[Float]]) -> NamedTensor {
            let planes = images.flatMap { image in
                (0..<shape[2]).flatMap { channel in
                    stride(from: channel, to: image.count, by: shape[2]).map { image[$0] }
                }
            }
            return NamedTensor(
                name: name, shape: [images.count, shape[2], shape[0], shape[1]], values: .float(planes))
        }
        try SafetensorsFile.write([tensor("clean", clean), tensor("attacked", attacked)], to: path)
    }

    /// Reads a file.
    package init(path: String) throws(FileFormatError) {
        let tensors = try SafetensorsFile.read(path)
        guard let clean = tensors["clean"], case .float(let before) = clean.values,
            let attacked = tensors["attacked"], case .float(let after) = attacked.values,
            clean.shape.count == 4, clean.shape == attacked.shape, !clean.shape.contains(0)
        else {
            let found = tensors.values.map { "\($0.name) \($0.shape)" }.sorted().joined(separator: ", ")
            throw .malformed(
                path: path, subject: "its tensors", expected: "clean and attacked, both [n, channels, height, width]",
                found: found)
        }
        self.init(shape: [clean.shape[2], clean.shape[3], clean.shape[1]])
        let (area, size) = (shape[0] * shape[1], shape.reduce(1, *))
        func images(_ planes: [Float]) -> [[Float]] {
            (0..<clean.shape[0]).map { image in
                (0..<size).map { planes[image * size + $0 % shape[2] * area + $0 / shape[2]] }
            }
        }
        (self.clean, self.attacked) = (images(before), images(after))
    }
}
