import Foundation

/// What a router's scores of the global batch add up to.
public struct RouterSums: Codable, Sendable, Equatable {
    /// Images, T.
    public var images: Double
    /// Σ over images of the score of each expert: T·P.
    public var probability: [Double]
    /// Images whose clean scores are largest at each expert: T·f.
    public var best: [Double]
    /// (Image, chosen expert) pairs of each expert.
    public var chosen: [Double]
    /// Σ over images of the entropy of their scores, in nats.
    public var entropy: Double

    static func length(_ experts: Int) -> Int { 2 + 3 * experts }

    var list: [Double] { [images, entropy] + probability + best + chosen }

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
        best = part(1)
        chosen = part(2)
    }

    /// Adds the sums of other images.
    public mutating func add(_ other: RouterSums) {
        images += other.images
        entropy += other.entropy
        for expert in chosen.indices {
            probability[expert] += other.probability[expert]
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
            // A score that underflowed contributes 0, whatever its logarithm.
            entropy -= Double(score) * Double(logScores[logScores.startIndex + expert])
            if score > scores[scores.startIndex + largest] { largest = expert }
        }
        best[largest] += 1
    }

    /// The share of the score mass of each expert, P.
    public var shares: [Double] { probability.map { $0 / max(1, images) } }

    /// Entropy of P, in nats.
    public var usageEntropy: Double {
        shares.reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 }
    }
}

/// A loss that keeps routers from sending all images to one expert; a function of the sums over the global batch.
///
/// Averaging the losses of parts of the batch would be another, wrong loss: f·P and H(P) are not linear.
public enum BalanceLoss: String, CaseIterable, Sendable {
    /// mean H(s) − H(P): confident for each image, balanced over all; least at −log E.
    case entropy
    /// E Σ f·P − 1 (Fedus et al., arXiv:2101.03961): 0 when balanced, E − 1 when collapsed.
    case switchLoss = "switch"
    /// No balancing.
    case none

    /// The value for the sums of a batch.
    public func value(_ sums: RouterSums) -> Double {
        let images = max(1, sums.images)
        switch self {
        case .entropy: return sums.entropy / images - sums.usageEntropy
        case .switchLoss:
            let products = zip(sums.best, sums.probability).map { $0 / images * $1 / images }
            return Double(sums.best.count) * products.reduce(0, +) - 1
        case .none: return 0
        }
    }

    /// ∂L/∂s of one image, `[experts]`, in closed form: switch E·f/T, entropy (log P − log s)/T.
    func scoreGradient(logScores: ArraySlice<Float>, _ sums: RouterSums) -> [Double] {
        let images = max(1, sums.images)
        switch self {
        case .entropy:
            return zip(logScores, sums.probability).map { logScore, mass in
                // P is zero only where every score underflowed; then the factor s of the softmax is zero too.
                (log(max(mass / images, .leastNormalMagnitude)) - Double(logScore)) / images
            }
        case .switchLoss: return sums.best.map { Double(sums.best.count) * $0 / images / images }
        case .none: return [Double](repeating: 0, count: sums.best.count)
        }
    }
}
