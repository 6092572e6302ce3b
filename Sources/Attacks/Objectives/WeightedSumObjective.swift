import Tensors

/// A sum of objectives, each times a weight.
public struct WeightedSumObjective: Objective {
    /// The objectives and their weights.
    public let terms: [(objective: any Objective, weight: Double)]

    /// Makes the sum.
    public init(_ terms: [(objective: any Objective, weight: Double)]) {
        self.terms = terms
    }

    /// Whether one of the terms does.
    public var readsRouters: Bool { terms.contains { $0.objective.readsRouters } }

    /// See ``Objective``.
    public func evaluate(_ outputs: ModelOutputs, shard: Int) -> ObjectiveValue {
        var sum = ObjectiveValue(losses: [Double](repeating: 0, count: outputs.logits.images), dLogits: nil)
        for (objective, weight) in terms {
            let value = objective.evaluate(outputs, shard: shard)
            for image in sum.losses.indices { sum.losses[image] += weight * value.losses[image] }
            if let term = value.dLogits {
                if weight != 1 { for index in 0..<term.count { term.pointer[index] *= Float(weight) } }
                if let total = sum.dLogits {
                    ChannelOperations.add(term, to: total)
                } else {
                    sum.dLogits = term
                }
            }
            for (layer, term) in value.dRouters {
                let weighted = term.map { weight * $0 }
                sum.dRouters[layer] = sum.dRouters[layer].map { zip($0, weighted).map(+) } ?? weighted
            }
        }
        return sum
    }

    /// See ``Objective``.
    public func selecting(_ images: [[Int]]) -> any Objective {
        WeightedSumObjective(terms.map { ($0.objective.selecting(images), $0.weight) })
    }
}
