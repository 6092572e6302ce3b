import Foundation

/// A loss that keeps routers from sending all images to one expert; a function of the sums over the global batch.
///
/// Averaging the losses of parts of the batch would be another, wrong loss: f·P and H(P) are not linear.
public enum BalanceLoss: String, CaseIterable, Sendable {
    /// mean H(s) − H(P): confident for each image, balanced over all; least at −log E.
    case entropy
    /// −H(P): balanced over all, whatever it is for each image; least at −log E.
    case columnEntropy = "column-entropy"
    /// E Σ f·P − 1 (Fedus et al., arXiv:2101.03961): 0 when balanced, E − 1 when collapsed.
    case switchLoss = "switch"
    /// The switch loss, and 1 − the mean over experts of their scores' deviation over images.
    case variance
    /// No balancing.
    case none

    /// The value for the sums of a batch.
    public func value(_ sums: RouterSums) -> Double {
        let images = max(1, sums.images)
        switch self {
        case .entropy: return sums.entropy / images - sums.usageEntropy
        case .columnEntropy: return -sums.usageEntropy
        case .switchLoss:
            let products = zip(sums.best, sums.probability).map { $0 / images * $1 / images }
            return Double(sums.best.count) * products.reduce(0, +) - 1
        case .variance:
            let deviation = sums.deviations.reduce(0, +) / Double(sums.best.count)
            return BalanceLoss.switchLoss.value(sums) - deviation + 1
        case .none: return 0
        }
    }

    /// ∂L/∂s of one image, `[experts]`, in closed form: entropy (log P − log s)/T, column-entropy (log P + 1)/T, switch
    /// E·f/T, variance that and −(s − P)/(E (T − 1) deviation).
    func scoreGradient(
        scores: ArraySlice<Float>, logScores: ArraySlice<Float>, _ sums: RouterSums
    ) -> [Double] {
        let images = max(1, sums.images)
        let experts = Double(sums.best.count)
        // P is zero only where every score underflowed; then the factor s of the softmax is zero too.
        func logShare(_ mass: Double) -> Double { log(max(mass / images, .leastNormalMagnitude)) }
        switch self {
        case .entropy: return zip(logScores, sums.probability).map { (logShare($1) - Double($0)) / images }
        case .columnEntropy: return sums.probability.map { (logShare($0) + 1) / images }
        case .switchLoss: return sums.best.map { experts * $0 / images / images }
        case .variance:
            let deviations = sums.deviations
            return scores.indices.map { place in
                let expert = place - scores.startIndex
                let balance = experts * sums.best[expert] / images / images
                if deviations[expert] == 0 { return balance }
                let distance = Double(scores[place]) - sums.probability[expert] / images
                return balance - distance / (experts * (images - 1) * deviations[expert])
            }
        case .none: return [Double](repeating: 0, count: sums.best.count)
        }
    }
}
