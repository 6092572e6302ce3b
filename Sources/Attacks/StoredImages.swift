import Tensors

/// Images that were made before, by this program or another: an attack that asks no model.
public struct StoredImages: Attack {
    /// Where they must lie.
    public var ball: PerturbationBall
    /// Where they were read from, for errors.
    public var origin: String
    /// The pixels of each image, `[height][width][channels]`, by its index in the data set.
    public var images: [Int: [Float]]

    /// Makes the attack.
    public init(ball: PerturbationBall, origin: String, images: [Int: [Float]] = [:]) {
        self.ball = ball
        self.origin = origin
        self.images = images
    }

    /// Another program's, or another time's.
    public var access: AttackAccess { .elsewhere }

    /// Returns the stored images of the batch's samples; see ``Attack``.
    /// - Throws: ``AttackError`` if there is none of a sample, if it has another size, or if it is not in the ball.
    public func perturb(
        _ batch: AttackBatch, _ objective: any Objective, against target: some AttackTarget
    ) throws -> [Tensor] {
        try zip(batch.images, batch.samples).map { try stored($0, samples: $1) }
    }

    /// The stored images of samples, which must be in the ball around these clean images.
    /// - Throws: As ``perturb(_:_:against:)``, naming the image.
    public func stored(_ clean: Tensor, samples: [Int]) throws -> Tensor {
        let result = Tensor(like: clean)
        for (image, sample) in samples.enumerated() {
            guard let pixels = images[sample] else {
                throw AttackError(description: "\(origin): expected an image of index \(sample), found none")
            }
            guard pixels.count == clean.imageSize else {
                throw AttackError(
                    description:
                        "\(origin): the image of index \(sample) has \(pixels.count) values, expected \(clean.imageSize)"
                )
            }
            let place = image..<image + 1
            let one = result.slice(place)
            for (index, value) in pixels.enumerated() { one.pointer[index] = value }
            do { try ball.verify(one, around: clean.slice(place)) } catch let error as AttackError {
                throw AttackError(description: "\(origin): the image of index \(sample): \(error)")
            }
        }
        return result
    }
}
