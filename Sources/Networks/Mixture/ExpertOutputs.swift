import Tensors

/// What the experts of a layer gave, for the loss that wants them to differ: max(0, 1 − √(Var_e(μ) + 1e-4)), where μ_e is
/// the mean of all elements that expert e put out, before they are weighed, and Var_e the unbiased variance over experts
/// (robust-sparse-moes, "variance_alpha").
///
/// An expert without images has the mean 0.
package struct ExpertOutputs: Codable, Equatable, Sendable {
    /// Σ of the elements of each expert's outputs.
    package var sum: [Double]
    /// Their number.
    package var count: [Double]

    static func length(_ experts: Int) -> Int { 2 * experts }

    var list: [Double] { sum + count }

    /// What no image gave.
    package init(experts: Int) {
        sum = [Double](repeating: 0, count: experts)
        count = sum
    }

    init(list: ArraySlice<Double>, _ experts: Int) {
        sum = Array(list.prefix(experts))
        count = Array(list.suffix(experts))
    }

    /// Of one shard's results, a tensor for each expert.
    init(_ results: [Tensor]) {
        sum = results.map { result in
            let zero = [Float](repeating: 0, count: result.channels)
            return ChannelOperations.moments(result, center: zero).sum.reduce(0, +)
        }
        count = results.map { Double($0.count) }
    }

    /// Adds what other images gave to the same layers' experts.
    package static func add(_ more: [ExpertOutputs], to layers: inout [ExpertOutputs]) {
        if layers.isEmpty { layers = more.map { ExpertOutputs(experts: $0.sum.count) } }
        for (index, outputs) in more.enumerated() {
            for expert in outputs.sum.indices {
                layers[index].sum[expert] += outputs.sum[expert]
                layers[index].count[expert] += outputs.count[expert]
            }
        }
    }

    private static let floor = 1e-4

    private var means: [Double] { zip(sum, count).map { $1 > 0 ? $0 / $1 : 0 } }

    /// The mean over experts, and √(variance + 1e-4); a single expert has no variance.
    private var spread: (mean: Double, deviation: Double) {
        let means = means
        let mean = means.reduce(0, +) / Double(max(1, means.count))
        let squares = means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (mean, (squares / Double(max(1, means.count - 1)) + ExpertOutputs.floor).squareRoot())
    }

    var loss: Double { max(0, 1 - spread.deviation) }

    /// ∂loss/∂ each element of an expert's outputs, `[experts]`; 0 for experts without images.
    var gradient: [Double] {
        let (mean, deviation) = spread
        return zip(means, count).map { own, count in
            if count == 0 || deviation >= 1 { return 0 }
            return -(own - mean) / (Double(max(1, means.count - 1)) * deviation * count)
        }
    }
}
