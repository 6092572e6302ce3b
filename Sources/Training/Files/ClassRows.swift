/// A row of `classes.csv`: how one class fares on one set of inputs.
public struct ClassRow: CSVRow, Equatable {
    /// `validation` or `test`.
    public var split: String
    /// `clean`, or the attack's id.
    public var inputs: String
    /// The number of the class, from 0.
    public var label: Int
    /// What the data set calls it.
    public var name: String
    /// Images of the class.
    public var samples: Int
    /// Images that are predicted to be of it.
    public var predicted: Int
    /// Images of the class that are predicted to be of it.
    public var correct: Int
    /// `correct / predicted`, empty without predictions.
    public var precision: Double?
    /// `correct / samples`, empty without images.
    public var recall: Double?
    /// The harmonic mean of both.
    public var f1: Double?

    /// The columns of `classes.csv`.
    public static let columns: [CSVColumn<ClassRow>] = [
        CSVColumn("split") { .text($0.split) },
        CSVColumn("inputs") { .text($0.inputs) },
        CSVColumn("class") { .integer($0.label) },
        CSVColumn("name") { .text($0.name) },
        CSVColumn("samples") { .integer($0.samples) },
        CSVColumn("predicted") { .integer($0.predicted) },
        CSVColumn("correct") { .integer($0.correct) },
        CSVColumn("precision") { CSVValue($0.precision) },
        CSVColumn("recall") { CSVValue($0.recall) },
        CSVColumn("f1") { CSVValue($0.f1) },
    ]
}

/// A row of `expert_classes.csv`: how many images of one class went to one expert.
public struct ExpertClassRow: CSVRow, Equatable {
    /// `validation` or `test`.
    public var split: String
    /// `clean`, or the attack's id.
    public var inputs: String
    /// The parameter path of the layer.
    public var layer: String
    /// The number of the expert, from 0.
    public var expert: Int
    /// The number of the class, from 0.
    public var label: Int
    /// What the data set calls the class.
    public var name: String
    /// Pairs of an image of the class and this expert among its chosen ones.
    public var count: Int
    /// `count` over all choices of the class's images: over experts, a class adds up to 1; empty without images.
    public var shareOfClass: Double?
    /// `count` over all choices of the expert: over classes, an expert adds up to 1; empty where it has none.
    public var shareOfExpert: Double?

    /// The columns of `expert_classes.csv`.
    public static let columns: [CSVColumn<ExpertClassRow>] = [
        CSVColumn("split") { .text($0.split) },
        CSVColumn("inputs") { .text($0.inputs) },
        CSVColumn("layer") { .text($0.layer) },
        CSVColumn("expert") { .integer($0.expert) },
        CSVColumn("class") { .integer($0.label) },
        CSVColumn("name") { .text($0.name) },
        CSVColumn("count") { .integer($0.count) },
        CSVColumn("share_of_class") { CSVValue($0.shareOfClass) },
        CSVColumn("share_of_expert") { CSVValue($0.shareOfExpert) },
    ]
}

extension EvaluationResult.Inputs {
    /// Rows of `classes.csv`.
    func classRows(split: String, names: [String]) -> [ClassRow] {
        names.enumerated().map { label, title in
            ClassRow(
                split: split, inputs: name, label: label, name: title, samples: confusion.images[label],
                predicted: confusion.predicted[label], correct: confusion.correct[label],
                precision: confusion.precision(label), recall: confusion.recall(label), f1: confusion.f1(label))
        }
    }

    /// Rows of `expert_classes.csv`, by layer, expert and class.
    func expertClassRows(split: String, names: [String]) -> [ExpertClassRow] {
        zip(layers, expertClasses).flatMap { layer, counts in
            let ofClass = names.indices.map { label in counts.reduce(0) { $0 + $1[label] } }
            return counts.enumerated().flatMap { expert, row in
                let ofExpert = row.reduce(0, +)
                return names.enumerated().map { label, title in
                    ExpertClassRow(
                        split: split, inputs: name, layer: layer.layer, expert: expert, label: label, name: title,
                        count: row[label],
                        shareOfClass: ofClass[label] > 0 ? Double(row[label]) / Double(ofClass[label]) : nil,
                        shareOfExpert: ofExpert > 0 ? Double(row[label]) / Double(ofExpert) : nil)
                }
            }
        }
    }
}
