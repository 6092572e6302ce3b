import Foundation
import Tensors

/// The image files of a split, decoded and resized block by block, on as many threads as the loop has.
///
/// What comes out, and its order, depend on the files alone.
struct TreeImages {
    let tree: ImageTree
    let size: PictureSize
    let mode: ResizeMode
    let loop: ParallelLoop
    let memory: MemoryBudget

    /// Bytes of one decoded and resized image.
    var imageSize: Int { 3 * size.pixels }

    /// The images of a block: enough that no thread waits long for the last one, in memory that is small beside a network.
    var atOnce: Int { min(tree.files.count, max(16 * loop.threads, min(1024, (32 << 20) / imageSize))) }

    /// Calls `body` with one block of good images after the other.
    /// - Parameters:
    ///   - limit: The most images that are wanted; files beyond are not opened.
    ///   - body: Is given `[images][height][width][3]` and the images' labels.
    func read<Failure: Error>(
        limit: Int, _ body: (UnsafeRawBufferPointer, ArraySlice<Int32>) throws(Failure) -> Void
    ) throws(Failure) -> TreeReading {
        let decoders = (0..<loop.threads).map { _ in
            ImageDecoder(memory: memory.decoder(threads: loop.threads))
        }
        let atOnce = min(atOnce, limit)
        var block = [UInt8](repeating: 0, count: atOnce * imageSize)
        var labels = [Int32](repeating: 0, count: atOnce)
        var reading = TreeReading()
        var next = 0
        while next < tree.files.count, reading.count < limit {
            let range = next..<min(tree.files.count, next + min(atOnce, limit - reading.count))
            let outcomes = decode(range, decoders, &block)
            var kept = 0
            for (position, outcome) in outcomes.enumerated() {
                switch outcome {
                case .success(let found):
                    if kept < position {
                        let source = position * imageSize
                        block.withUnsafeMutableBytes { bytes in
                            UnsafeMutableRawBufferPointer(rebasing: bytes[(kept * imageSize)...])
                                .copyMemory(
                                    from: UnsafeRawBufferPointer(rebasing: bytes[source..<source + imageSize]))
                        }
                    }
                    labels[kept] = tree.labels[range.lowerBound + position]
                    kept += 1
                    reading.note(found)
                case .failure(let fault):
                    reading.corrupt.append(
                        CorruptImage(file: tree.files[range.lowerBound + position].description, reason: fault.reason))
                }
            }
            reading.count += kept
            next = range.upperBound
            if kept > 0 {
                try block.span.bytes.withUnsafeBytes { (bytes) throws(Failure) in
                    try body(UnsafeRawBufferPointer(rebasing: bytes[..<(kept * imageSize)]), labels[..<kept])
                }
            }
        }
        reading.filesRead = next
        return reading
    }

    private func decode(
        _ range: Range<Int>, _ decoders: [ImageDecoder], _ block: inout [UInt8]
    ) -> [Result<PictureSize, ImageFault>] {
        var outcomes = [Result<PictureSize, ImageFault>](
            repeating: .failure(ImageFault(reason: "not read")), count: range.count)
        outcomes.withUnsafeMutableBufferPointer { outcomes in
            block.withUnsafeMutableBufferPointer { block in
                guard let start = block.baseAddress else { return }
                loop(range.count) { worker, position in
                    do throws(ImageFault) {
                        let path = tree.path(range.lowerBound + position)
                        let found = try decoders[worker].decode(
                            path, to: size, by: mode, into: start + position * imageSize)
                        outcomes[position] = .success(found)
                    } catch {
                        outcomes[position] = .failure(error)
                    }
                }
            }
        }
        return outcomes
    }
}

/// What reading the files of a split came to.
struct TreeReading {
    /// Images that were decoded.
    var count = 0
    /// Files that were opened.
    var filesRead = 0
    /// Files that are of no use, in the order of the set.
    var corrupt: [CorruptImage] = []
    /// The sizes of the files with the fewest and the most pixels.
    private(set) var sizes: (smallest: PictureSize, largest: PictureSize)?

    mutating func note(_ size: PictureSize) {
        guard let (smallest, largest) = sizes else {
            sizes = (size, size)
            return
        }
        sizes = (size.pixels < smallest.pixels ? size : smallest, size.pixels > largest.pixels ? size : largest)
    }
}
