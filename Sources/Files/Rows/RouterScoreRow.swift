/// A row of `router_scores.csv`: how many images give an expert a score in an interval.
package struct RouterScoreRow: CSVRow, Equatable {
    /// Intervals that [0, 1] is cut into.
    package static let bins = 20

    /// `validation` or `test`.
    package var split: String
    /// `clean`, or the attack's id.
    package var inputs: String
    /// The path of the mixture layer.
    package var layer: String
    package var expert: Int
    /// The interval's number, from 0.
    package var bin: Int
    /// Images in it.
    package var count: Int
    /// All images.
    package var samples: Int

    /// Makes a value of its parts.
    package init(split: String, inputs: String, layer: String, expert: Int, bin: Int, count: Int, samples: Int) {
        self.split = split
        self.inputs = inputs
        self.layer = layer
        self.expert = expert
        self.bin = bin
        self.count = count
        self.samples = samples
    }

    /// The columns of `router_scores.csv`.
    package static let columns: [CSVColumn<RouterScoreRow>] = [
        CSVColumn("split") { .text($0.split) },
        CSVColumn("inputs") { .text($0.inputs) },
        CSVColumn("layer") { .text($0.layer) },
        CSVColumn("expert") { .integer($0.expert) },
        CSVColumn("low") { CSVValue(Double($0.bin) / Double(bins)) },
        CSVColumn("high") { CSVValue(Double($0.bin + 1) / Double(bins)) },
        CSVColumn("count") { .integer($0.count) },
        CSVColumn("share") { CSVValue($0.samples > 0 ? Double($0.count) / Double($0.samples) : nil) },
    ]
}
