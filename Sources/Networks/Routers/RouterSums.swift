import Tensors

/// What a router's scores of the global batch add up to.
public struct RouterSums: Codable, Sendable, Equatable {
    /// Images, T.
    public var images: Double
    /// Σ over images of the score of each expert: T·P.
    public var probability: [Double]
    /// Σ over images of the square of the score of each expert.
    public var squares: [Double]
    /// Images whose clean scores are largest at each expert: T·f.
    public var best: [Double]
    /// (Image, chosen expert) pairs of each expert.
    public var chosen: [Double]
    /// Σ over images of the entropy of their scores, in nats.
    public var entropy: Double

    static func length(_ experts: Int) -> Int { 2 + 4 * experts }

    var list: [Double] { [images, entropy] + probability + squares + best + chosen }

    /// Makes sums of no images.
    public init(experts: Int) {
        self.init(list: [Double](repeating: 0, count: RouterSums.length(experts))[...], experts)
    }

    init(list: ArraySlice<Double>, _ experts: Int) {
        let first = list.startIndex
        images = list[first]
        entropy = list[first + 1]
        func part(_ index: Int) -> [Double] {
            Array(list[(first + 2 + index * experts)..<(first + 2 + (index + 1) * experts)])
        }
        probability = part(0)
        squares = part(1)
        best = part(2)
        chosen = part(3)
    }

    /// Whether all scores were finite.
    public var isFinite: Bool { probability.allSatisfy(\.isFinite) }

    /// Adds the sums of other images.
    public mutating func add(_ other: RouterSums) {
        images += other.images
        entropy += other.entropy
        for expert in chosen.indices {
            probability[expert] += other.probability[expert]
            squares[expert] += other.squares[expert]
            best[expert] += other.best[expert]
            chosen[expert] += other.chosen[expert]
        }
    }

    /// Adds the scores of one image.
    mutating func add(scores: ArraySlice<Float>, logScores: ArraySlice<Float>) {
        images += 1
        var largest = 0
        for expert in 0..<scores.count {
            let score = scores[scores.startIndex + expert]
            probability[expert] += Double(score)
            squares[expert] += Double(score) * Double(score)
            // A score that underflowed contributes 0, whatever its logarithm.
            entropy -= Double(score) * Double(logScores[logScores.startIndex + expert])
            if score > scores[scores.startIndex + largest] { largest = expert }
        }
        best[largest] += 1
    }

    /// The share of the score mass of each expert, P.
    public var shares: [Double] { probability.map { $0 / max(1, images) } }

    /// The unbiased deviation over images of each expert's score; 0 for fewer than two images.
    public var deviations: [Double] {
        zip(probability, squares).map { sum, squares in
            if images < 2 { return 0 }
            let variance = (squares - sum * sum / images) / (images - 1)
            // Below what Floats near 1 can differ by, there is nothing but rounding.
            return variance > 1e-14 ? variance.squareRoot() : 0
        }
    }

    /// Entropy of P, in nats.
    public var usageEntropy: Double { entropyOf(shares) }
}
