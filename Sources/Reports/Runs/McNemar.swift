import Foundation

/// Whether two networks differ on the same images: the exact test on the images that one alone has right.
///
/// Q. McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12 (1947); exact,
/// by the binomial distribution.
struct McNemar: Equatable {
    /// Images that the first alone has right.
    let firstAlone: Int
    /// Images that the second alone has right.
    let secondAlone: Int

    /// The probability of a difference at least as large, in either direction, if both were alike.
    var pValue: Double {
        let count = firstAlone + secondAlone
        guard count > 0 else { return 1 }
        let fewer = min(firstAlone, secondAlone)
        var term = -Double(count) * log(2)
        var tail = 0.0
        for successes in 0...fewer {
            if successes > 0 { term += log(Double(count - successes + 1)) - log(Double(successes)) }
            tail += exp(term)
        }
        return min(1, 2 * tail)
    }
}

/// What is right on each image of an evaluation, by the image's index.
struct RightImages {
    /// Whether each image is right, for each kind of inputs; `robust` is the worst over all.
    let byInputs: [String: [String: Bool]]
    private let labels: [String: String]

    /// - Parameter rows: Those of `per_sample.csv`.
    init(_ rows: [TextRow]) {
        var byInputs: [String: [String: Bool]] = [:]
        var labels: [String: String] = [:]
        let suffix = "_prediction"
        let columns = (rows.first?.columns ?? []).filter { $0.hasSuffix(suffix) }
        for row in rows {
            guard let index = row["index"], let label = row["label"] else { continue }
            labels[index] = label
            for column in columns {
                byInputs[String(column.dropLast(suffix.count)), default: [:]][index] = row[column] == label
            }
            if columns.count > 1 { byInputs["worst-case", default: [:]][index] = row["robust"] == "true" }
        }
        (self.byInputs, self.labels) = (byInputs, labels)
    }

    /// The test of two evaluations under the same inputs; nil unless both looked at the same images of the same labels.
    static func compare(_ first: RightImages, _ second: RightImages, inputs: String) -> McNemar? {
        guard let left = first.byInputs[inputs], let right = second.byInputs[inputs], !left.isEmpty,
            first.labels == second.labels
        else { return nil }
        var counts = (0, 0)
        for (index, isRight) in left {
            guard let other = right[index] else { return nil }
            if isRight, !other { counts.0 += 1 }
            if !isRight, other { counts.1 += 1 }
        }
        return McNemar(firstAlone: counts.0, secondAlone: counts.1)
    }
}
