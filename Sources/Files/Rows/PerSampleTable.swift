/// A row of `per_sample.csv`: what becomes of one image under every attack.
package struct PerSampleRow: Equatable, Sendable {
    /// What one attack did to the image.
    package struct Outcome: Equatable, Sendable {
        /// The class that the network gives to the attacked image.
        package let prediction: Int
        /// The cross entropy of the attacked image, in nats.
        package let loss: Double
        /// How far the attacked image is from the clean one, in the attack's norm.
        package let distance: Double
        /// What the attack's way to the image told, as words.
        package let flags: [String]
        /// Whether the verdict is on the network as it is used.
        package let isOfNetwork: Bool

        /// An outcome.
        package init(
            prediction: Int, loss: Double, distance: Double, flags: [String] = [], isOfNetwork: Bool = true
        ) {
            self.isOfNetwork = isOfNetwork
            self.prediction = prediction
            self.loss = loss
            self.distance = distance
            self.flags = flags
        }

        fileprivate var flagged: CSVValue { flags.isEmpty ? .empty : .text(flags.joined(separator: ";")) }
    }

    /// The image's place in its split, from 0.
    package let index: Int
    /// The true class.
    package let label: Int
    /// The class that the network gives to the clean image.
    package let cleanPrediction: Int
    /// The cross entropy of the clean image, in nats.
    package let cleanLoss: Double
    /// One outcome for each attack, in the table's order.
    package let outcomes: [Outcome]

    /// Whether the clean image and every attacked one are classified right by the network as it is used.
    package var robust: Bool {
        cleanPrediction == label && outcomes.allSatisfy { !$0.isOfNetwork || $0.prediction == label }
    }

    /// A row.
    package init(index: Int, label: Int, cleanPrediction: Int, cleanLoss: Double, outcomes: [Outcome]) {
        self.index = index
        self.label = label
        self.cleanPrediction = cleanPrediction
        self.cleanLoss = cleanLoss
        self.outcomes = outcomes
    }

    var values: [CSVValue] {
        [.integer(index), .integer(label), .integer(cleanPrediction), .real(cleanLoss)]
            + outcomes.flatMap {
                [.integer($0.prediction), .real($0.loss), .real($0.distance), $0.flagged]
            }
            + [.boolean(robust)]
    }
}

/// The table `per_sample.csv`, whose columns depend on the attacks.
package final class PerSampleTable {
    private let writer: CSVWriter
    private let attacks: [String]

    /// Makes or opens the table for attacks with these ids.
    package init(path: String, attacks: [String], runID: String) throws(FileFormatError) {
        self.attacks = attacks
        writer = try CSVWriter(path: path, columns: Self.columns(attacks: attacks), runID: runID)
    }

    /// The columns after `schema_version,run_id`.
    package static func columns(attacks: [String]) -> [String] {
        ["index", "label", "clean_prediction", "clean_loss"]
            + attacks.flatMap { ["\($0)_prediction", "\($0)_loss", "\($0)_distance", "\($0)_flags"] } + ["robust"]
    }

    /// Appends a row, which needs one outcome for each attack.
    package func append(_ row: PerSampleRow) throws(FileFormatError) {
        precondition(
            row.outcomes.count == attacks.count, "\(row.outcomes.count) outcomes of \(attacks.count) attacks")
        try writer.append(row.values)
    }
}

/// A row of `per_sample_long.csv`: one image under one attack, or clean.
///
/// It says what ``PerSampleRow`` says, in columns that depend on nothing.
package struct PerSampleLongRow: CSVRow, Equatable {
    /// The image's place in its split, from 0.
    package let index: Int
    /// The true class.
    package let label: Int
    /// The attack's id; `none` for the clean image.
    package let attack: String
    /// What came of it.
    package let outcome: PerSampleRow.Outcome

    /// The rows of one image: clean, then each attack.
    /// - Parameters:
    ///   - row: The image.
    ///   - attacks: The ids of its outcomes, in their order.
    package static func rows(_ row: PerSampleRow, attacks: [String]) -> [PerSampleLongRow] {
        precondition(
            row.outcomes.count == attacks.count, "\(row.outcomes.count) outcomes of \(attacks.count) attacks")
        let clean = PerSampleRow.Outcome(prediction: row.cleanPrediction, loss: row.cleanLoss, distance: 0)
        return zip(["none"] + attacks, [clean] + row.outcomes).map { attack, outcome in
            PerSampleLongRow(index: row.index, label: row.label, attack: attack, outcome: outcome)
        }
    }

    /// The columns of `per_sample_long.csv`.
    package static let columns: [CSVColumn<PerSampleLongRow>] = [
        CSVColumn("index") { .integer($0.index) },
        CSVColumn("label") { .integer($0.label) },
        CSVColumn("attack") { .text($0.attack) },
        CSVColumn("prediction") { .integer($0.outcome.prediction) },
        CSVColumn("loss") { .real($0.outcome.loss) },
        CSVColumn("distance") { .real($0.outcome.distance) },
        CSVColumn("correct") { .boolean($0.outcome.prediction == $0.label) },
        CSVColumn("in_worst_case") { .boolean($0.outcome.isOfNetwork) },
        CSVColumn("flags") { $0.outcome.flagged },
    ]
}
