/// A row of `examples.csv`: one image of an evaluation and what an attack made of it.
///
/// The images themselves are in `example_images.safetensors`, in the order of the rows.
package struct ExampleRow: CSVRow, Equatable {
    /// What an attack did to an image that was right before it.
    package enum Case: String, CaseIterable, Sendable {
        /// Experts and prediction hold.
        case neither
        /// The experts chosen change in some layer, and the prediction is right all the same.
        case routerOnly = "router_only"
        /// The experts hold, and the prediction is wrong.
        case predictionOnly = "prediction_only"
        /// The experts change, and the prediction is wrong.
        case both
    }

    /// `validation` or `test`.
    package var split: String
    /// The attack's id.
    package var inputs: String
    /// Which of the four cases the image is an example of.
    package var whatHappened: Case
    /// The image's place in its split, from 0.
    package var index: Int
    /// The true class, and what the data set calls it.
    package var label: (number: Int, name: String)
    /// The class given to the attacked image.
    package var prediction: (number: Int, name: String)
    /// The cross entropy of the attacked image, in nats.
    package var loss: Double
    /// How far it is from the clean one, in the attack's norm.
    package var distance: Double
    /// For each mixture layer the experts chosen for the clean image.
    package var cleanExperts: [[Int]]
    /// The same for the attacked image.
    package var experts: [[Int]]

    /// Makes a value of its parts.
    package init(
        split: String, inputs: String, whatHappened: Case, index: Int, label: (number: Int, name: String),
        prediction: (number: Int, name: String), loss: Double, distance: Double, cleanExperts: [[Int]],
        experts: [[Int]]
    ) {
        self.split = split
        self.inputs = inputs
        self.whatHappened = whatHappened
        self.index = index
        self.label = label
        self.prediction = prediction
        self.loss = loss
        self.distance = distance
        self.cleanExperts = cleanExperts
        self.experts = experts
    }

    package static func == (first: ExampleRow, second: ExampleRow) -> Bool { first.values == second.values }

    /// Layers apart by spaces, experts of one layer by `+`; empty without mixtures.
    private static func text(_ experts: [[Int]]) -> CSVValue {
        experts.isEmpty
            ? .empty : .text(experts.map { $0.map(String.init).joined(separator: "+") }.joined(separator: " "))
    }

    /// The columns of `examples.csv`.
    package static let columns: [CSVColumn<ExampleRow>] = [
        CSVColumn("split") { .text($0.split) },
        CSVColumn("inputs") { .text($0.inputs) },
        CSVColumn("case") { .text($0.whatHappened.rawValue) },
        CSVColumn("index") { .integer($0.index) },
        CSVColumn("label") { .integer($0.label.number) },
        CSVColumn("name") { .text($0.label.name) },
        CSVColumn("prediction") { .integer($0.prediction.number) },
        CSVColumn("predicted_name") { .text($0.prediction.name) },
        CSVColumn("loss") { .real($0.loss) },
        CSVColumn("distance") { .real($0.distance) },
        CSVColumn("clean_experts") { text($0.cleanExperts) },
        CSVColumn("experts") { text($0.experts) },
    ]
}
