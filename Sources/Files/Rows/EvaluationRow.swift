/// A row of `evaluation.csv`: one attack on one checkpoint, with 95% Wilson bounds.
package struct EvaluationRow: CSVRow, Equatable {
    /// Which weights: the name of the checkpoint.
    package var checkpoint: String
    /// The SHA-256 of the file that holds the weights.
    package var checkpointSHA256: String?
    /// The data set.
    package var dataset: String
    /// `validation`, `test` or `train`.
    package var split: String
    /// The number of images.
    package var samples: Int
    /// The attack's id; `none` for clean images, `worst-case` for the pointwise worst over all attacks.
    package var attack: String
    /// `linf` or `l2`; nil where there is no attack.
    package var norm: String?
    /// The radius, in the units of images in [0, 1].
    package var epsilon: Double?
    /// The step, in the same units.
    package var stepSize: Double?
    /// Gradient steps a restart.
    package var steps: Int?
    /// Restarts.
    package var restarts: Int?
    /// What the attack climbs, such as `cross-entropy`.
    package var objective: String?
    /// Whether the attack starts at a random point of the ball.
    package var randomStart: Bool?
    /// What batch norm normalises by, such as `frozen`.
    package var batchNorm: String?
    /// Whose routes the attack sees, such as `deterministic`.
    package var routing: String?
    /// The seed of the random starts.
    package var seed: UInt64?
    /// Images that are classified right under the attack.
    package var correct: Int
    /// Time in seconds, on rank zero.
    package var seconds: Double?
    /// What the reader should know, separated by semicolons.
    package var flags: String?
    /// What images are normalized by inside the network: a data set, or `none`.
    package var normalization: String?

    /// `correct / samples`, nil without samples.
    package var accuracy: Double? { samples == 0 ? nil : Double(correct) / Double(samples) }

    /// A row; what is nil does not apply or is not measured.
    package init(
        checkpoint: String, checkpointSHA256: String?, dataset: String, split: String, samples: Int, attack: String,
        norm: String? = nil, epsilon: Double? = nil, stepSize: Double? = nil, steps: Int? = nil,
        restarts: Int? = nil, objective: String? = nil, randomStart: Bool? = nil, batchNorm: String? = nil,
        routing: String? = nil, seed: UInt64? = nil, correct: Int, seconds: Double? = nil, flags: String? = nil,
        normalization: String? = nil
    ) {
        self.checkpoint = checkpoint
        self.checkpointSHA256 = checkpointSHA256
        self.dataset = dataset
        self.split = split
        self.samples = samples
        self.attack = attack
        self.norm = norm
        self.epsilon = epsilon
        self.stepSize = stepSize
        self.steps = steps
        self.restarts = restarts
        self.objective = objective
        self.randomStart = randomStart
        self.batchNorm = batchNorm
        self.routing = routing
        self.seed = seed
        self.correct = correct
        self.seconds = seconds
        self.flags = flags
        self.normalization = normalization
    }

    /// The second set of columns: `normalization` came to the first.
    package static let schemaVersion = 2

    /// The columns of `evaluation.csv`.
    package static let columns: [CSVColumn<EvaluationRow>] = [
        CSVColumn("checkpoint") { .text($0.checkpoint) },
        CSVColumn("checkpoint_sha256") { CSVValue($0.checkpointSHA256) },
        CSVColumn("dataset") { .text($0.dataset) },
        CSVColumn("split") { .text($0.split) },
        CSVColumn("samples") { .integer($0.samples) },
        CSVColumn("attack") { .text($0.attack) },
        CSVColumn("norm") { CSVValue($0.norm) },
        CSVColumn("epsilon") { CSVValue($0.epsilon) },
        CSVColumn("step_size") { CSVValue($0.stepSize) },
        CSVColumn("steps") { CSVValue($0.steps) },
        CSVColumn("restarts") { CSVValue($0.restarts) },
        CSVColumn("objective") { CSVValue($0.objective) },
        CSVColumn("random_start") { CSVValue($0.randomStart) },
        CSVColumn("batch_norm") { CSVValue($0.batchNorm) },
        CSVColumn("routing") { CSVValue($0.routing) },
        CSVColumn("seed") { CSVValue($0.seed.map(String.init)) },
        CSVColumn("correct") { .integer($0.correct) },
        CSVColumn("accuracy") { CSVValue($0.accuracy) },
        CSVColumn("accuracy_low") { .real(WilsonInterval.bounds(correct: $0.correct, samples: $0.samples).low) },
        CSVColumn("accuracy_high") { .real(WilsonInterval.bounds(correct: $0.correct, samples: $0.samples).high) },
        CSVColumn("seconds") { CSVValue($0.seconds) },
        CSVColumn("flags") { CSVValue($0.flags) },
        CSVColumn("normalization") { CSVValue($0.normalization) },
    ]
}
