/// The Wilson score interval of a share, the error bars of every accuracy in `evaluation.csv`.
///
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
package enum WilsonInterval {
    /// The 97.5% point of the standard normal distribution, for two-sided 95% bounds.
    static let quantile = 1.959963984540054

    /// The 95% bounds of the share `correct / samples`, both in [0, 1]; without samples nothing is known: (0, 1).
    package static func bounds(correct: Int, samples: Int) -> (low: Double, high: Double) {
        precondition(0 <= correct && correct <= samples, "\(correct) of \(samples) is no share")
        if samples == 0 { return (0, 1) }
        let count = Double(samples)
        let share = Double(correct) / count
        let square = quantile * quantile
        let centre = (share + square / (2 * count)) / (1 + square / count)
        let deviation = (share * (1 - share) / count + square / (4 * count * count)).squareRoot()
        let half = quantile * deviation / (1 + square / count)
        // The bounds touch 0 and 1 exactly when all are wrong or right; rounding must not hide that.
        return (correct == 0 ? 0 : max(0, centre - half), correct == samples ? 1 : min(1, centre + half))
    }
}
