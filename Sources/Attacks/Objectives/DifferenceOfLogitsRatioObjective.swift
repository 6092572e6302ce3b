import Tensors

/// The difference of logits ratio, −(z_y − max over i ≠ y of z_i) / (z₍₁₎ − z₍₃₎ + 1e-12), of the logits z₍₁₎ ≥ z₍₂₎ ≥ …
/// and the label y (Croce and Hein, arXiv:2003.01690), which neither shift nor scale of the logits changes.
///
/// It is positive where the model is fooled. Logits that appear in the quotient all have a slope; ties are in the order of a
/// stable ascending sort, as in AutoAttack. With fewer than three classes there is no such ratio.
public struct DifferenceOfLogitsRatioObjective: Objective {
    /// Classes that a model must have.
    public static let fewestClasses = 3

    /// `[shard][image]`.
    public let labels: [[Int32]]

    /// Makes the objective.
    public init(labels: [[Int32]]) {
        self.labels = labels
    }

    /// See ``Objective``.
    public func evaluate(_ outputs: ModelOutputs, shard: Int) -> ObjectiveValue {
        LogitsRatio.evaluate(outputs.logits, fewestClasses: Self.fewestClasses) { image, order in
            let (label, count) = (Int(labels[shard][image]), order.count)
            let rival = order[count - 1] == label ? order[count - 2] : order[count - 1]
            return LogitsRatio(label: label, rival: rival, spread: [(order[count - 1], 1), (order[count - 3], -1)])
        }
    }

    /// See ``Objective``.
    public func selecting(_ images: [[Int]]) -> any Objective {
        DifferenceOfLogitsRatioObjective(labels: labels.selecting(images))
    }
}

/// The quotient −(z_label − z_rival) / (Σ factor · z + 1e-12) of one image's logits.
struct LogitsRatio {
    let label: Int
    let rival: Int
    /// The classes of the denominator, and their factors.
    let spread: [(place: Int, factor: Double)]

    /// The value, losses in Double of logits in Float, for every image of a shard.
    /// - Parameter ratio: The quotient of an image, of whose classes it gets the order by rising logit.
    static func evaluate(
        _ logits: Tensor, fewestClasses: Int, ratio: (_ image: Int, _ order: [Int]) -> LogitsRatio
    ) -> ObjectiveValue {
        precondition(
            logits.channels >= fewestClasses, "the ratio needs \(fewestClasses) classes, got \(logits.channels)")
        let dLogits = Tensor(like: logits)
        dLogits.fill(0)
        let losses = (0..<logits.images).map { image -> Double in
            let row = logits.pointer + image * logits.channels
            let slope = dLogits.pointer + image * logits.channels
            let ratio = ratio(image, TargetClasses.order(row, classes: logits.channels))
            let difference = Double(row[ratio.label]) - Double(row[ratio.rival])
            let spread = ratio.spread.reduce(1e-12) { $0 + $1.factor * Double(row[$1.place]) }
            slope[ratio.label] -= Float(1 / spread)
            slope[ratio.rival] += Float(1 / spread)
            for (place, factor) in ratio.spread { slope[place] += Float(factor * difference / (spread * spread)) }
            return -difference / spread
        }
        return ObjectiveValue(losses: losses, dLogits: dLogits)
    }
}
