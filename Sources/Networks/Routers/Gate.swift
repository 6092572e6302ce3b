/// Turns router scores into routes: top-k, ties to the lowest index (robust-sparse-moes, "TopKGate").
public struct Gate: Hashable, Sendable {
    /// Experts for each image.
    public var topK: Int
    /// Weight 1 for the best expert, gradients passed straight to its score (k = 1 only).
    public var isStraightThrough: Bool
    /// Divides the kept scores by their sum (+ 1e-5); otherwise they are the weights as they are.
    public var renormalizes: Bool

    /// Whether straight-through gradients go to the logits themselves rather than to their softmax, as in the released code
    /// of AdvMoE (arXiv:2308.10110), whose one router sees the image.
    ///
    /// Routers inside a network had better not: nothing bounds such gradients, which also go to what the router sees, larger
    /// by its weights, and so to the weights of all routers in front. Sixteen of them went from a gradient of norm 1 to one
    /// that overflows within twenty steps.
    public var bypassesSoftmax: Bool

    /// Makes a gate; see the properties.
    public init(topK: Int, isStraightThrough: Bool, renormalizes: Bool, bypassesSoftmax: Bool = false) {
        precondition(!bypassesSoftmax || isStraightThrough, "only straight-through weights can bypass the softmax")
        precondition(!isStraightThrough || topK == 1, "straight-through weights need topK 1, got \(topK)")
        self.topK = topK
        self.isStraightThrough = isStraightThrough
        self.renormalizes = renormalizes
        self.bypassesSoftmax = bypassesSoftmax
    }

    private static let guardTerm: Float = 1e-5

    /// Returns the experts that each image prefers, `[images][k]`, best first; `preferences` are `[images][experts]`.
    func choose(_ preferences: [Float], experts: Int) -> [Int] {
        let images = preferences.count / experts
        var chosen: [Int] = []
        chosen.reserveCapacity(images * topK)
        for image in 0..<images {
            let row = preferences[image * experts..<(image + 1) * experts]
            // A stable order: a larger preference first, equal ones by index.
            let order = (0..<experts).sorted { a, b in
                let (x, y) = (row[row.startIndex + a], row[row.startIndex + b])
                return x != y ? x > y : a < b
            }
            chosen += order[..<topK]
        }
        return chosen
    }

    /// Weighs the chosen experts, `[images][k]`, by the scores, `[images][experts]`.
    func weigh(scores: [Float], chosen: [Int], experts: Int) -> Routes {
        var routes = Routes(choices: topK, experts: chosen, weights: [Float](repeating: 1, count: chosen.count))
        if isStraightThrough { return routes }
        for image in 0..<routes.images {
            let places = image * topK..<(image + 1) * topK
            for place in places { routes.weights[place] = scores[image * experts + chosen[place]] }
            if renormalizes {
                let sum = places.reduce(Gate.guardTerm) { $0 + routes.weights[$1] }
                for place in places { routes.weights[place] /= sum }
            }
        }
        return routes
    }

    /// The gradient of the scores, `[images][experts]`, from that of the weights, `[images][k]`.
    ///
    /// Differentiates the surrogate with the choice m fixed: m + m⊙(s − s₀) when straight-through, else s⊙m, divided
    /// by (Σ s⊙m + 1e-5) when renormalised.
    /// - Parameter rule: Whether that is wanted, or another surrogate in its place.
    func backward(
        _ dWeights: [Float], scores: [Float], _ routes: Routes, experts: Int, by rule: GateGradient = .own
    ) -> [Float] {
        var result = [Float](repeating: 0, count: scores.count)
        if rule == .none { return result }
        for image in 0..<routes.images {
            let places = image * topK..<(image + 1) * topK
            if isStraightThrough || !renormalizes || rule == .straightThrough {
                for place in places { result[image * experts + routes.experts[place]] = dWeights[place] }
                continue
            }
            var sum = Gate.guardTerm
            var inner: Float = 0
            for place in places {
                let score = scores[image * experts + routes.experts[place]]
                sum += score
                inner += dWeights[place] * score
            }
            for place in places {
                result[image * experts + routes.experts[place]] = dWeights[place] / sum - inner / (sum * sum)
            }
        }
        return result
    }
}
