import Foundation

/// What a network's outputs for clean images tell.
package enum OutputChecks {
    /// How far apart outputs of length 1 may lie.
    static let randomDistance = 1e-4
    /// How far sums of probabilities may be from 1.
    static let probabilityTolerance = 1e-5
    /// Half the side of the box around an image in which its loss should stand still, and the points that are looked at.
    static let neighborhood: Float = 4.0 / 255
    /// See ``neighborhood``.
    static let points = 20
    /// How much of itself the mean image's loss may change there.
    static let leastInstability = 0.5

    /// Whether repeated passes over the same images differ: in a prediction, or, brought to length 1, by more than
    /// `randomDistance`.
    /// - Parameter passes: Logits of each pass, `[pass][image][class]`.
    package static func areRandom(_ passes: [[[Float]]]) -> Bool {
        guard let first = passes.first else { return false }
        return passes.dropFirst().contains { pass in
            zip(first, pass).contains { one, other in
                best(one) != best(other) || distance(unit(one), unit(other)) > randomDistance
            }
        }
    }

    /// Whether outputs lie in [0, 1] and add up to 1 for every image.
    /// - Parameter outputs: `[image][class]`, of at least two classes.
    package static func areProbabilities(_ outputs: [[Float]]) -> Bool {
        !outputs.isEmpty
            && outputs.allSatisfy { row in
                row.count > 1
                    && row.allSatisfy {
                        Double($0) > -probabilityTolerance && Double($0) < 1 + probabilityTolerance
                    }
                    && abs(row.reduce(0.0) { $0 + Double($1) } - 1) < probabilityTolerance
            }
    }

    /// How much of itself the loss of each image changes in its neighbourhood, in the mean over several points, at most 1
    /// (unstable predictions; Pintor et al., arXiv:2106.09947).
    /// - Parameters:
    ///   - losses: The losses of the images.
    ///   - around: The losses at points around them, `[point][image]`.
    package static func instability(_ losses: [Double], around: [[Double]]) -> [Double] {
        losses.enumerated().map { image, loss in
            let scale = loss == 0 ? 1 : abs(loss)
            let total = around.reduce(0.0) { $0 + abs($1[image] - loss) / scale }
            return min(1, total / Double(max(1, around.count)))
        }
    }

    private static func best(_ row: [Float]) -> Int? { row.indices.max { row[$0] < row[$1] } }

    private static func unit(_ row: [Float]) -> [Double] {
        let length = row.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() + 1e-10
        return row.map { Double($0) / length }
    }

    private static func distance(_ one: [Double], _ other: [Double]) -> Double {
        zip(one, other).reduce(0.0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
    }
}
