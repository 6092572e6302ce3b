import Tensors

/// One change for all images (Moosavi-Dezfooli et al., arXiv:1610.08401), which asks no model about those it is judged by.
///
/// It is made beforehand, on other images: by steps along the gradient of their mean loss, from no change, each brought
/// back into the ball (Shafahi et al., arXiv:1811.11304).
public struct UniversalPerturbation: Attack, Hashable {
    /// How large the change may be.
    public var ball: PerturbationBall
    /// The length of a step in pixel units.
    public var stepSize: Float
    /// How often it passes over the images that it is made on.
    public var passes: Int
    /// The most images that it is made on; nil for as many as are usual.
    public var images: Int?
    /// What is added to an image, `[height][width][channels]`; empty before the first step.
    public private(set) var change: [Float] = []

    /// Makes the attack, with no change yet; see the properties.
    public init(ball: PerturbationBall, stepSize: Float, passes: Int, images: Int? = nil) {
        precondition(
            passes >= 1 && images ?? 1 >= 1,
            "a universal perturbation needs passes and images ≥ 1, got \(passes) and \(images ?? 1)")
        self.ball = ball
        self.stepSize = stepSize
        self.passes = passes
        self.images = images
    }

    /// It saw the model on other images.
    public var access: AttackAccess { .elsewhere }

    /// Returns the images with the change, within [0, 1]; see ``Attack``.
    /// - Throws: ``AttackError`` if it was made for images of another size, or not at all.
    public func perturb(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) throws -> [Tensor] {
        try batch.images.map { clean in
            guard change.count == clean.imageSize else {
                throw AttackError(
                    description: "expected a universal perturbation of \(clean.imageSize) values, found \(change.count)"
                )
            }
            let result = changed(clean)
            try ball.verify(result, around: clean)
            return result
        }
    }

    /// The sum over the images of a batch of the gradient of the objective with respect to the change, in pixel units,
    /// added up in their order.
    ///
    /// Where an image with the change touches a border of [0, 1] and its gradient points across it, the image has no say:
    /// nothing would come of that step.
    public func gradientSum(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) throws -> [Double] {
        let shown = batch.images.map { change.isEmpty ? $0 : changed($0) }
        let gradients = try target.outputsAndInputGradient(shown, objective, draw: 0).gradient
        var sum = [Double](repeating: 0, count: batch.images.first?.imageSize ?? 0)
        for (x, gradient) in zip(shown, gradients) {
            for index in 0..<x.count {
                let (pixel, slope) = (x.pointer[index], gradient.pointer[index])
                guard slope > 0 ? pixel < 1 : pixel > 0 else { continue }
                sum[index % x.imageSize] += Double(slope)
            }
        }
        return sum
    }

    /// Moves the change by a step of steepest ascent and back into the ball around 0.
    /// - Parameter gradient: As long as an image.
    public mutating func ascend(along gradient: [Double]) {
        if change.isEmpty { change = [Float](repeating: 0, count: gradient.count) }
        precondition(
            gradient.count == change.count, "a change of \(change.count) values, a gradient of \(gradient.count)")
        switch ball.norm {
        case .linf:
            for (place, slope) in gradient.enumerated() {
                let moved = change[place] + (slope > 0 ? stepSize : slope < 0 ? -stepSize : 0)
                change[place] = min(max(moved, -ball.epsilon), ball.epsilon)
            }
        case .l2:
            let length = Self.length(gradient)
            guard length > 0, length.isFinite else { return }
            let moved = zip(change, gradient).map { Double($0) + Double(stepSize) / length * $1 }
            let distance = Self.length(moved)
            let factor = distance > Double(ball.epsilon) ? Double(ball.epsilon) / distance : 1
            change = moved.map { Float(factor * $0) }
        }
    }

    private static func length(_ values: [Double]) -> Double {
        values.reduce(0) { $0 + $1 * $1 }.squareRoot()
    }

    /// The images with the change, in tensors of their own.
    private func changed(_ clean: Tensor) -> Tensor {
        let result = clean.duplicate()
        for index in 0..<result.count { result.pointer[index] += change[index % result.imageSize] }
        ball.project(result, around: clean)
        return result
    }
}
