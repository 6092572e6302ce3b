import Datasets
import Files
import Tensors

/// Images that went to each expert, class by class, as one picture: what an expert is for, to be looked at.
///
/// Layers stand below each other in their order, in each its experts from 0, in each of these the classes in label order from left
/// to right, a row being broken where it is full. Each class has the same number of places; those that no image takes stay
/// gray.
package struct ExpertMaps {
    /// Images of a class that are kept for each expert.
    static let mostOfClass = 4
    /// Places in all, and in a row.
    private static let (most, columns) = (4000, 40)
    /// The longer side of an image at most, in pixels.
    private static let side = 64
    private static let (gap, gapOfExperts, gapOfLayers) = (2, 8, 24)
    private static let ground: UInt8 = 128

    /// `[layer][expert][class]`: the indices of images in the data set.
    private let images: [[[[Int]]]]
    private let classes: Int
    private let imagesOfClass: Int

    /// - Parameter images: `[layer][expert][class]`: the indices of images in the data set, ``mostOfClass`` at most.
    init(_ images: [[[[Int]]]]) {
        self.images = images
        let rows = images.reduce(0) { $0 + $1.count }
        let all = images.first?.first?.count ?? 0
        classes = rows > 0 ? min(all, max(1, Self.most / rows)) : 0
        imagesOfClass = max(1, min(Self.mostOfClass, Self.most / max(1, rows * classes)))
    }

    /// The picture as a PNG file; nil where there are no experts.
    package func png(_ set: ImageSet) -> [UInt8]? {
        guard classes > 0, [1, 3].contains(set.channels) else { return nil }
        let factor = (max(set.height, set.width) + Self.side - 1) / Self.side
        let (height, width) = (max(1, set.height / factor), max(1, set.width / factor))
        let inRow = max(1, min(classes, Self.columns / imagesOfClass))
        let rows = (classes + inRow - 1) / inRow
        let totalWidth = inRow * imagesOfClass * (width + Self.gap) + Self.gap
        let heights = images.map { $0.count * (rows * (height + Self.gap) + Self.gapOfExperts) }
        let totalHeight = heights.reduce(0, +) + (images.count - 1) * Self.gapOfLayers + Self.gap
        var pixels = [UInt8](repeating: Self.ground, count: totalHeight * totalWidth * set.channels)
        var top = Self.gap
        let workspace = Workspace()
        for layer in images {
            for expert in layer {
                for (label, indices) in expert.prefix(classes).enumerated() {
                    for (place, index) in indices.prefix(imagesOfClass).enumerated() {
                        let picture = Self.reduced(set, index, factor, height, width, workspace)
                        let y = top + label / inRow * (height + Self.gap)
                        let x = Self.gap + (label % inRow * imagesOfClass + place) * (width + Self.gap)
                        for row in 0..<height {
                            let start = ((y + row) * totalWidth + x) * set.channels
                            let line = row * width * set.channels..<(row + 1) * width * set.channels
                            pixels.replaceSubrange(start..<start + line.count, with: picture[line])
                        }
                    }
                }
                top += rows * (height + Self.gap) + Self.gapOfExperts
            }
            top += Self.gapOfLayers
        }
        return PNGImage.bytes(
            pixels, width: totalWidth, height: totalHeight, channels: set.channels, software: PNGImage.ownSoftware)
    }

    /// An image as the network sees it, `factor` × `factor` pixels averaged to one.
    private static func reduced(
        _ set: ImageSet, _ index: Int, _ factor: Int, _ height: Int, _ width: Int, _ workspace: Workspace
    ) -> [UInt8] {
        let (tensor, channels) = (set.chunk([index], workspace: workspace).images, set.channels)
        var result = [UInt8](repeating: 0, count: height * width * channels)
        for place in result.indices {
            let (pixel, channel) = (place / channels, place % channels)
            var sum: Float = 0
            for dy in 0..<factor {
                for dx in 0..<factor {
                    let (y, x) = (pixel / width * factor + dy, pixel % width * factor + dx)
                    sum += tensor.pointer[(y * set.width + x) * channels + channel]
                }
            }
            result[place] = UInt8((sum / Float(factor * factor) * 255).rounded())
        }
        return result
    }
}
