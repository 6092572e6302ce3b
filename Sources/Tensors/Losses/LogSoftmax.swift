import Foundation

/// Logarithms of softmax probabilities, log softmax(z) = z − max z − log Σ exp(z − max z)
/// (torch.nn.functional.log_softmax): a probability that underflows keeps a finite logarithm.
public enum LogSoftmax {
    /// What the differences z − max z are taken in; sums and logarithms are Doubles either way.
    public enum Differences: Sendable {
        /// In Float, as the logits are.
        case single
        /// In Double.
        case double
    }

    /// The differences of a row from its largest value, and the logarithm of the sum of their exponentials.
    @inline(__always)
    static func parts(
        _ row: UnsafePointer<Float>, count: Int, _ differences: Differences
    ) -> (differences: [Double], sum: Double) {
        var largest = count > 0 ? row[0] : 0
        for index in 1..<max(1, count) { largest = max(largest, row[index]) }
        var sum = 0.0
        let list = (0..<count).map { index in
            let difference =
                switch differences {
                case .single: Double(row[index] - largest)
                case .double: Double(row[index]) - Double(largest)
                }
            sum += exp(difference)
            return difference
        }
        return (list, sum)
    }

    /// Returns the logarithms of a row's probabilities.
    public static func row(
        _ row: UnsafePointer<Float>, count: Int, differences: Differences = .single
    ) -> [Double] {
        let (list, sum) = parts(row, count: count, differences)
        let logSum = log(sum)
        return list.map { $0 - logSum }
    }
}
