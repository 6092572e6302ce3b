/// A row of `classes.csv`: how one class fares on one set of inputs.
package struct ClassRow: CSVRow, Equatable {
    /// `validation` or `test`.
    package var split: String
    /// `clean`, or the attack's id.
    package var inputs: String
    /// The number of the class, from 0.
    package var label: Int
    /// What the data set calls it.
    package var name: String
    /// Images of the class.
    package var samples: Int
    /// Images that are predicted to be of it.
    package var predicted: Int
    /// Images of the class that are predicted to be of it.
    package var correct: Int
    /// `correct / predicted`, empty without predictions.
    package var precision: Double?
    /// `correct / samples`, empty without images.
    package var recall: Double?
    /// The harmonic mean of both.
    package var f1: Double?

    /// Makes a value of its parts.
    package init(
        split: String, inputs: String, label: Int, name: String, samples: Int, predicted: Int, correct: Int,
        precision: Double? = nil, recall: Double? = nil, f1: Double? = nil
    ) {
        self.split = split
        self.inputs = inputs
        self.label = label
        self.name = name
        self.samples = samples
        self.predicted = predicted
        self.correct = correct
        self.precision = precision
        self.recall = recall
        self.f1 = f1
    }

    /// The columns of `classes.csv`.
    package static let columns: [CSVColumn<ClassRow>] = [
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
package struct ExpertClassRow: CSVRow, Equatable {
    /// `validation` or `test`.
    package var split: String
    /// `clean`, or the attack's id.
    package var inputs: String
    /// The parameter path of the layer.
    package var layer: String
    /// The number of the expert, from 0.
    package var expert: Int
    /// The number of the class, from 0.
    package var label: Int
    /// What the data set calls the class.
    package var name: String
    /// Pairs of an image of the class and this expert among its chosen ones.
    package var count: Int
    /// `count` over all choices of the class's images: over experts, a class adds up to 1; empty without images.
    package var shareOfClass: Double?
    /// `count` over all choices of the expert: over classes, an expert adds up to 1; empty where it has none.
    package var shareOfExpert: Double?

    /// Makes a value of its parts.
    package init(
        split: String, inputs: String, layer: String, expert: Int, label: Int, name: String, count: Int,
        shareOfClass: Double? = nil, shareOfExpert: Double? = nil
    ) {
        self.split = split
        self.inputs = inputs
        self.layer = layer
        self.expert = expert
        self.label = label
        self.name = name
        self.count = count
        self.shareOfClass = shareOfClass
        self.shareOfExpert = shareOfExpert
    }

    /// The columns of `expert_classes.csv`.
    package static let columns: [CSVColumn<ExpertClassRow>] = [
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
