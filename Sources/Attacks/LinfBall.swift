import Tensors

/// The images within `epsilon` of a centre in every pixel, and within [0, 1].
public struct LinfBall: Hashable, Sendable {
    /// The radius in pixel units, 0 or more.
    public var epsilon: Float

    /// Makes a ball.
    public init(epsilon: Float) {
        precondition(epsilon >= 0, "epsilon must be at least 0, got \(epsilon)")
        self.epsilon = epsilon
    }

    /// How far rounding may carry a pixel past epsilon: pixels lie below 1, where an ulp is at most 2⁻²⁴.
    static let tolerance = 0x1p-24

    /// Moves `x` by `size` along the sign of `gradient` and back into the ball around `center`, in one pass.
    ///
    /// The sign of 0, and of a NaN, is 0.
    func ascend(_ x: Tensor, along gradient: Tensor, by size: Float, around center: Tensor) {
        for index in 0..<x.count {
            let g = gradient.pointer[index]
            let moved = x.pointer[index] + (g > 0 ? size : g < 0 ? -size : 0)
            x.pointer[index] = clamped(moved, center.pointer[index])
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
            for index in image * x.imageSize..<(image + 1) * x.imageSize {
                let moved = center.pointer[index] + epsilon * (2 * stream.uniform() - 1)
                x.pointer[index] = clamps ? clamped(moved, center.pointer[index]) : moved
            }
        }
    }

    private func clamped(_ value: Float, _ center: Float) -> Float {
        min(max(value, max(center - epsilon, 0)), min(center + epsilon, 1))
    }

    /// Throws unless every pixel of `x` is in the ball around `center` up to rounding, the difference taken in Double.
    func verify(_ x: Tensor, around center: Tensor) throws {
        let bound = Double(epsilon) + LinfBall.tolerance
        for index in 0..<x.count {
            let value = x.pointer[index]
            let distance = abs(Double(value) - Double(center.pointer[index]))
            if !(distance <= bound) || !(value >= 0 && value <= 1) {
                throw AttackError(
                    description:
                        "attack left its ball at element \(index): pixel \(value), distance \(distance), "
                        + "expected [0, 1] and at most \(bound)")
            }
        }
    }
}
