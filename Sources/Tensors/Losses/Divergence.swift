import Foundation

/// The Kullback-Leibler divergence of two softmax distributions, KL(p ‖ q) = Σ p (log p − log q), for each image.
///
/// Logarithms come from log-softmax, so a probability that underflows contributes 0 and no gradient is NaN, unlike
/// torch.nn.functional.kl_div behind a softmax (advmoe, quirk Q4).
public enum Divergence {
    /// Returns each image's divergence and the gradients of Σ divergences · `weight` with respect to both logits.
    ///
    /// - Parameters:
    ///   - target: Logits of p, `[images, 1, 1, classes]`.
    ///   - logits: Logits of q, of the same shape.
    /// - Returns: `dTarget` = weight · p (log p − log q − KL), `dLogits` = weight · (q − p).
    public static func evaluate(
        _ target: Tensor, _ logits: Tensor, weight: Double
    ) -> (values: [Double], dTarget: Tensor, dLogits: Tensor) {
        precondition(target.count == logits.count, "divergence of \(target.shape) and \(logits.shape)")
        let classes = logits.channels
        let (dTarget, dLogits) = (Tensor(like: target), Tensor(like: logits))
        let values = (0..<logits.images).map { image -> Double in
            let first = image * classes
            let logP = LogSoftmax.row(target.pointer + first, count: classes, differences: .double)
            let logQ = LogSoftmax.row(logits.pointer + first, count: classes, differences: .double)
            let p = logP.map { exp($0) }
            var value = 0.0
            for index in 0..<classes where p[index] > 0 { value += p[index] * (logP[index] - logQ[index]) }
            for index in 0..<classes {
                let slope = p[index] > 0 ? p[index] * (logP[index] - logQ[index] - value) : 0
                dTarget.pointer[first + index] = Float(weight * slope)
                dLogits.pointer[first + index] = Float(weight * (exp(logQ[index]) - p[index]))
            }
            return value
        }
        return (values, dTarget, dLogits)
    }
}
