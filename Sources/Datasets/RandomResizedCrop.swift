import Foundation
import Tensors

/// The part of an image that torchvision's RandomResizedCrop takes, with its usual settings.
///
/// Ten times a share of the area and a ratio of width to height are drawn, and the first rectangle of these that fits is
/// put anywhere; where none fits it is the largest one in the middle whose ratio is allowed.
/// Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.RandomResizedCrop.html
extension PicturePart {
    private static let areas = 0.08...1.0
    private static let ratios = 3.0 / 4...4.0 / 3
    private static let attempts = 10

    /// Draws a part of an image.
    init(ofRandomArea stream: inout RandomStream, in image: PictureSize) {
        for _ in 0..<Self.attempts {
            let area = Self.areas.at(Double(stream.uniform())) * Double(image.pixels)
            let logarithms = log(Self.ratios.lowerBound)...log(Self.ratios.upperBound)
            let size = Self.rectangle(area: area, ratio: exp(logarithms.at(Double(stream.uniform()))))
            if (1...image.height).contains(size.height) && (1...image.width).contains(size.width) {
                self.init(
                    top: stream.integer(below: image.height - size.height + 1),
                    left: stream.integer(below: image.width - size.width + 1), size: size)
                return
            }
        }
        self.init(largestIn: image)
    }

    /// The rectangle of an area in pixels and a ratio of width to height.
    private static func rectangle(area: Double, ratio: Double) -> PictureSize {
        PictureSize(
            height: Int((area / ratio).squareRoot().rounded(.toNearestOrEven)),
            width: Int((area * ratio).squareRoot().rounded(.toNearestOrEven)))
    }

    /// The middle of an image, as much of it as the ratios allow.
    init(largestIn image: PictureSize) {
        let ratio = Double(image.width) / Double(image.height)
        var (height, width) = (image.height, image.width)
        if ratio < Self.ratios.lowerBound {
            height = Int((Double(width) / Self.ratios.lowerBound).rounded(.toNearestOrEven))
        } else if ratio > Self.ratios.upperBound {
            width = Int((Double(height) * Self.ratios.upperBound).rounded(.toNearestOrEven))
        }
        self.init(
            top: (image.height - height) / 2, left: (image.width - width) / 2,
            size: PictureSize(height: height, width: width))
    }
}

extension ClosedRange<Double> {
    /// The number at a share of the way from the lower to the upper bound.
    fileprivate func at(_ share: Double) -> Double { lowerBound + share * (upperBound - lowerBound) }
}
