import Tensors

/// The images within `epsilon` of a centre, in a norm of the whole image, and within [0, 1] in every pixel.
///
/// Images are attacked in place: every function takes all images of a shard, `x` and `center` of the same shape.
public struct PerturbationBall: Hashable, Sendable {
    /// How a distance is measured.
    public enum Norm: String, CaseIterable, Sendable {
        /// The largest change of any channel of any pixel.
        case linf
        /// The square root of the sum of squares of all changes of an image.
        case l2
    }

    /// How distances are measured.
    public var norm: Norm
    /// The radius in pixel units, 0 or more.
    public var epsilon: Float

    /// Makes a ball.
    public init(_ norm: Norm = .linf, epsilon: Float) {
        precondition(epsilon >= 0, "epsilon must be at least 0, got \(epsilon)")
        self.norm = norm
        self.epsilon = epsilon
    }

    /// How far rounding may carry a pixel past epsilon: pixels lie below 1, where an ulp is at most 2⁻²⁴.
    static let tolerance = 0x1p-24
    /// The share of epsilon by which rounding of all pixels may lengthen a change in l2.
    static let relativeTolerance = 1e-5

    /// Moves every image by `size` in the direction of steepest ascent and back into the ball around `center`.
    ///
    /// The direction is the sign of the gradient in l-infinity, that of 0 and of a NaN being 0, and the gradient over
    /// its norm in l2, where a gradient that is 0 or not finite moves nothing.
    func ascend(_ x: Tensor, along gradient: Tensor, by size: (_ image: Int) -> Float, around center: Tensor) {
        for image in 0..<x.images {
            let size = size(image)
            let range = image * x.imageSize..<(image + 1) * x.imageSize
            switch norm {
            case .linf:
                for index in range {
                    let g = gradient.pointer[index]
                    let moved = x.pointer[index] + (g > 0 ? size : g < 0 ? -size : 0)
                    x.pointer[index] = clamped(moved, center.pointer[index])
                }
            case .l2:
                let length = range.reduce(0.0) { $0 + Double(gradient.pointer[$1]) * Double(gradient.pointer[$1]) }
                    .squareRoot()
                guard length > 0, length.isFinite else { continue }
                let factor = Float(Double(size) / length)
                for index in range { x.pointer[index] += factor * gradient.pointer[index] }
                project(x, image, around: center)
            }
        }
    }

    /// Moves every image to the nearest one in the ball around `center`, then into [0, 1].
    func project(_ x: Tensor, around center: Tensor) {
        for image in 0..<x.images { project(x, image, around: center) }
    }

    private func project(_ x: Tensor, _ image: Int, around center: Tensor) {
        let range = image * x.imageSize..<(image + 1) * x.imageSize
        switch norm {
        case .linf:
            for index in range { x.pointer[index] = clamped(x.pointer[index], center.pointer[index]) }
        case .l2:
            let length = distance(x, around: center, image: image)
            let factor = length > Double(epsilon) ? Float(Double(epsilon) / length) : 1
            for index in range {
                let moved = center.pointer[index] + factor * (x.pointer[index] - center.pointer[index])
                x.pointer[index] = min(max(moved, 0), 1)
            }
        }
    }

    /// Writes a uniform draw of the ball around `center` to `x`; each image draws from its sample's own stream.
    ///
    /// - Parameter clamps: Keeps pixels within [0, 1].
    func drawStart(
        around center: Tensor, into x: Tensor, clamps: Bool, _ stream: (_ image: Int) -> RandomStream
    ) {
        for image in 0..<x.images {
            var stream = stream(image)
            let range = image * x.imageSize..<(image + 1) * x.imageSize
            switch norm {
            case .linf:
                for index in range {
                    let moved = center.pointer[index] + epsilon * (2 * stream.uniform() - 1)
                    x.pointer[index] = clamps ? clamped(moved, center.pointer[index]) : moved
                }
            case .l2:
                // All but two coordinates of a uniform point of a sphere are a uniform point of the ball within.
                let draws = (0..<x.imageSize + 2).map { _ in stream.normal() }
                let length = draws.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
                for (index, draw) in zip(range, draws) {
                    let moved = center.pointer[index] + Float(Double(epsilon) * Double(draw) / length)
                    x.pointer[index] = clamps ? min(max(moved, 0), 1) : moved
                }
            }
        }
    }

    /// Writes a draw around `center`, scaled to touch the ball's border and then clamped to [0, 1], to `x`.
    ///
    /// Its coordinates are uniform in l-infinity, normal in l2. Each image draws from its sample's own stream.
    func drawBorder(around center: Tensor, into x: Tensor, _ stream: (_ image: Int) -> RandomStream) {
        for image in 0..<x.images {
            var stream = stream(image)
            let draws: [Float]
            let length: Float
            switch norm {
            case .linf:
                draws = (0..<x.imageSize).map { _ in 2 * stream.uniform() - 1 }
                length = draws.reduce(0) { max($0, abs($1)) }
            case .l2:
                draws = (0..<x.imageSize).map { _ in stream.normal() }
                length = Float(draws.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot())
            }
            for (place, draw) in draws.enumerated() {
                let index = image * x.imageSize + place
                let moved = center.pointer[index] + epsilon * (draw / (length + 1e-12))
                x.pointer[index] = min(max(moved, 0), 1)
            }
        }
    }

    private func clamped(_ value: Float, _ center: Float) -> Float {
        min(max(value, max(center - epsilon, 0)), min(center + epsilon, 1))
    }

    /// Returns how far an image of `x` is from that of `center`, in Double.
    public func distance(_ x: Tensor, around center: Tensor, image: Int) -> Double {
        (image * x.imageSize..<(image + 1) * x.imageSize).reduceDistance(norm) {
            Double(x.pointer[$0]) - Double(center.pointer[$0])
        }
    }

    /// Throws unless every image of `x` is in the ball around `center` up to rounding, distances taken in Double.
    func verify(_ x: Tensor, around center: Tensor) throws {
        let bound =
            norm == .linf
            ? Double(epsilon) + PerturbationBall.tolerance
            : Double(epsilon) * (1 + PerturbationBall.relativeTolerance)
        for index in 0..<x.count {
            let value = x.pointer[index]
            let moved = abs(Double(value) - Double(center.pointer[index]))
            if !(moved <= bound) || !(value >= 0 && value <= 1) {
                throw AttackError(
                    description:
                        "attack left its ball at element \(index): pixel \(value), distance \(moved), "
                        + "expected [0, 1] and at most \(bound)")
            }
        }
        if norm == .linf { return }
        for image in 0..<x.images {
            let length = distance(x, around: center, image: image)
            if !(length <= bound) {
                throw AttackError(
                    description:
                        "attack left its ball at image \(image): l2 distance \(length), expected at most \(bound)")
            }
        }
    }
}

extension Range<Int> {
    /// The norm of the differences at these places.
    fileprivate func reduceDistance(_ norm: PerturbationBall.Norm, _ difference: (Int) -> Double) -> Double {
        switch norm {
        case .linf: return reduce(0) { Swift.max($0, abs(difference($1))) }
        case .l2:
            return reduce(0) {
                let value = difference($1)
                return $0 + value * value
            }.squareRoot()
        }
    }
}
