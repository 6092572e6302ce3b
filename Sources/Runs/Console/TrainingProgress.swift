import Networks
import Training

/// What a line about a training run that is under way tells.
struct TrainingProgress {
    let epoch: Int
    let epochs: Int
    let step: Int
    let steps: Int
    /// What the method's inputs are called, and what has been added up of each since its last rows.
    let inputs: [String]
    let windows: [TrainingWindow]
    /// Whether there are experts.
    let hasExperts: Bool
    /// Seconds to the end; nil where that is not known.
    let secondsLeft: Double?
    /// Whether these are without evaluations of a kind that comes first later.
    let lacksEvaluations: Bool

    /// The line, such as `epoch 2/10, step 120/790: loss 1.702, accuracy clean 41.2%, pgd 25.0%, ...`; nil with no step to
    /// tell of.
    var line: String? {
        guard let window = windows.last, !window.isEmpty else { return nil }
        let share = window.loopSeconds > 0 ? window.attackSeconds / window.loopSeconds : 0
        let (taskLoss, balanceLoss) = windows.reduce((0, 0)) { ($0.0 + $1.taskLoss, $0.1 + $1.balanceLoss) }
        let accuracies = zip(inputs, windows).map { "\($0) \(Console.percent($1.accuracy))" }
        return [
            "epoch \(epoch)/\(epochs), step \(step)/\(steps): loss \(Console.fixed(taskLoss, 3))",
            hasExperts ? "balance \(Console.fixed(balanceLoss, 3))" : nil,
            "accuracy \(accuracies.joined(separator: ", "))",
            "rate \(Console.fixed(window.learningRate, 4))",
            "\(Console.fixed(window.imagesPerSecond, 1)) images/s (attack \(Console.percent(share)))",
            busiestExpert(window.layers), timeLeft,
        ].compactMap { $0 }.joined(separator: ", ")
    }

    /// The same in fewer words, what matters most first: a line of a terminal may be short.
    var shortLine: String? {
        guard let window = windows.last, !window.isEmpty else { return nil }
        let loss = windows.reduce(0) { $0 + $1.taskLoss }
        let accuracies = zip(inputs, windows).map { name, window in
            "\(name == "clean" ? name : "attacked") \(Console.percent(window.accuracy))"
        }
        let busiest = window.layers.compactMap { layer in layer.sums.chosen.indices.compactMap(layer.fraction).max() }
        let rest =
            [timeLeft, "loss \(Console.fixed(loss, 3))"].compactMap { $0 } + accuracies
            + [
                "\(Console.fixed(window.imagesPerSecond, 0)) images/s",
                busiest.max().map { "busiest expert \(Console.percent($0))" },
            ].compactMap { $0 }
        return "epoch \(epoch)/\(epochs), step \(step)/\(steps): \(rest.joined(separator: ", "))"
    }

    /// Of all layers the expert with the largest share of its layer's choices; nil where nothing was chosen.
    private func busiestExpert(_ layers: [ExpertUsage]) -> String? {
        let shares = layers.flatMap { layer in
            layer.sums.chosen.indices.compactMap { expert in
                layer.fraction(expert).map { (share: $0, name: "\(layer.layer) expert \(expert)") }
            }
        }
        guard let busiest = shares.max(by: { $0.share < $1.share }) else { return nil }
        return "busiest \(busiest.name) with \(Console.percent(busiest.share))"
    }

    private var timeLeft: String? {
        guard step < steps || lacksEvaluations else { return nil }
        return secondsLeft.map { "about \(Console.time($0))\(lacksEvaluations ? " and evaluations" : "") left" }
    }
}
