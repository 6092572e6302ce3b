import Tensors

/// Where the first iterate lies.
public enum StartingPoint: String, CaseIterable, Sendable {
    /// Uniform in the ball, clamped to [0, 1].
    case uniform
    /// Uniform in the ball; pixels may lie outside of [0, 1] until the first step.
    case uniformUnclamped = "uniform-unclamped"
    /// At the clean image plus N(0, 0.001²), not clamped, where an objective has no slope at the image itself
    /// (TRADES, arXiv:1901.08573).
    case gaussian
    /// At the clean image.
    case none
}

extension StartingPoint {
    /// Returns first iterates in new tensors.
    /// - Parameters:
    ///   - clamps: Keeps iterates in the ball and pixels within [0, 1], so that they may be results themselves.
    ///   - onBorder: Scales uniform draws until they touch the border of the ball, and clamps them.
    func draw(_ ball: PerturbationBall, _ batch: AttackBatch, clamps: Bool, onBorder: Bool = false) -> [Tensor] {
        zip(batch.images, batch.samples).map { images, samples in
            if self == .none { return images.duplicate() }
            func stream(_ image: Int) -> RandomStream {
                RandomStream(seed: batch.seed, purpose: .attackStart, step: batch.step, index: samples[image])
            }
            let result = Tensor(like: images)
            if self == .gaussian {
                addNoise(images, into: result, stream)
                // The noise knows no radius.
                if clamps { ball.project(result, around: images) }
            } else if onBorder {
                ball.drawBorder(around: images, into: result, stream)
            } else {
                ball.drawStart(around: images, into: result, clamps: clamps, stream)
            }
            return result
        }
    }

    /// The deviation of ``gaussian``.
    private static let deviation: Float = 0.001

    private func addNoise(_ images: Tensor, into result: Tensor, _ stream: (_ image: Int) -> RandomStream) {
        for image in 0..<images.images {
            var stream = stream(image)
            for index in image * images.imageSize..<(image + 1) * images.imageSize {
                result.pointer[index] = images.pointer[index] + Self.deviation * stream.normal()
            }
        }
    }
}
