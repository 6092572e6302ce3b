/// A row of `fixed_experts.csv`: the network with one layer's routes fixed to one expert, or with its own routes.
///
/// Attacks are made against that very network, so that rows compare experts as models of their own.
public struct FixedExpertRow: CSVRow, Equatable {
    /// Which weights: the name of the checkpoint.
    public var checkpoint: String
    /// The SHA-256 of the file that holds the weights.
    public var checkpointSHA256: String?
    /// The data set.
    public var dataset: String
    /// `validation` or `test`.
    public var split: String
    /// The parameter path of the layer.
    public var layer: String
    /// The expert that all images go to; nil where the router decides, as in all other layers.
    public var expert: Int?
    /// `clean`, or the attack's id.
    public var inputs: String
    /// The number of images.
    public var samples: Int
    /// Images that are classified right.
    public var correct: Int
    /// The mean cross entropy, in nats.
    public var loss: Double
    /// Images that the gated network classifies right on its own inputs of this kind.
    public var gatedCorrect: Int

    private func accuracy(_ count: Int) -> Double? { samples == 0 ? nil : Double(count) / Double(samples) }
    private var bounds: (low: Double, high: Double) { WilsonInterval.bounds(correct: correct, samples: samples) }

    /// Whether the expert is better than the gate, `clearly` where their 95% intervals part; nil for the gate itself.
    public var againstGate: String? {
        guard expert != nil else { return nil }
        let gate = WilsonInterval.bounds(correct: gatedCorrect, samples: samples)
        if bounds.low > gate.high { return "clearly-better" }
        if bounds.high < gate.low { return "clearly-worse" }
        return correct > gatedCorrect ? "better" : correct < gatedCorrect ? "worse" : "equal"
    }

    /// The columns of `fixed_experts.csv`.
    public static let columns: [CSVColumn<FixedExpertRow>] = [
        CSVColumn("checkpoint") { .text($0.checkpoint) },
        CSVColumn("checkpoint_sha256") { CSVValue($0.checkpointSHA256) },
        CSVColumn("dataset") { .text($0.dataset) },
        CSVColumn("split") { .text($0.split) },
        CSVColumn("layer") { .text($0.layer) },
        CSVColumn("expert") { $0.expert.map(CSVValue.integer) ?? .text("gated") },
        CSVColumn("inputs") { .text($0.inputs) },
        CSVColumn("samples") { .integer($0.samples) },
        CSVColumn("correct") { .integer($0.correct) },
        CSVColumn("accuracy") { CSVValue($0.accuracy($0.correct)) },
        CSVColumn("accuracy_low") { .real($0.bounds.low) },
        CSVColumn("accuracy_high") { .real($0.bounds.high) },
        CSVColumn("loss") { .real($0.loss) },
        CSVColumn("gated_accuracy") { CSVValue($0.accuracy($0.gatedCorrect)) },
        CSVColumn("against_gate") { CSVValue($0.againstGate) },
    ]
}
