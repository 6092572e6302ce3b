/// A row of `fixed_experts.csv`: the network with one layer's routes fixed to one expert, or with its own routes.
///
/// Attacks are made against that very network, so that rows compare experts as models of their own.
package struct FixedExpertRow: CSVRow, Equatable {
    /// Which weights: the name of the checkpoint.
    package var checkpoint: String
    /// The SHA-256 of the file that holds the weights.
    package var checkpointSHA256: String?
    /// The data set.
    package var dataset: String
    /// `validation` or `test`.
    package var split: String
    /// The parameter path of the layer.
    package var layer: String
    /// The expert that all images go to; nil where the router decides, as in all other layers.
    package var expert: Int?
    /// `clean`, or the attack's id.
    package var inputs: String
    /// The number of images.
    package var samples: Int
    /// Images that are classified right.
    package var correct: Int
    /// The mean cross entropy, in nats.
    package var loss: Double
    /// Images that the gated network classifies right on its own inputs of this kind.
    package var gatedCorrect: Int

    /// Makes a value of its parts.
    package init(
        checkpoint: String, checkpointSHA256: String? = nil, dataset: String, split: String, layer: String,
        expert: Int? = nil, inputs: String, samples: Int, correct: Int, loss: Double, gatedCorrect: Int
    ) {
        self.checkpoint = checkpoint
        self.checkpointSHA256 = checkpointSHA256
        self.dataset = dataset
        self.split = split
        self.layer = layer
        self.expert = expert
        self.inputs = inputs
        self.samples = samples
        self.correct = correct
        self.loss = loss
        self.gatedCorrect = gatedCorrect
    }

    private func accuracy(_ count: Int) -> Double? { samples == 0 ? nil : Double(count) / Double(samples) }
    private var bounds: (low: Double, high: Double) { WilsonInterval.bounds(correct: correct, samples: samples) }

    /// Whether the expert is better than the gate, `clearly` where their 95% intervals part; nil for the gate itself.
    package var againstGate: String? {
        guard expert != nil else { return nil }
        let gate = WilsonInterval.bounds(correct: gatedCorrect, samples: samples)
        if bounds.low > gate.high { return "clearly-better" }
        if bounds.high < gate.low { return "clearly-worse" }
        return correct > gatedCorrect ? "better" : correct < gatedCorrect ? "worse" : "equal"
    }

    /// The columns of `fixed_experts.csv`.
    package static let columns: [CSVColumn<FixedExpertRow>] = [
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
