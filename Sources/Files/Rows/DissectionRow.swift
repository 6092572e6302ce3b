/// A row of `dissection.csv`: whether attacks got through by routers or past them, and how many ways through the experts
/// images took.
package struct DissectionRow: CSVRow, Equatable {
    /// `validation` or `test`.
    package var split: String
    /// `clean`, or the attack's id.
    package var inputs: String
    /// The number of images.
    package var samples: Int
    /// Images whose experts stay those of the clean image, in all layers, and whose prediction is right (category 1).
    package var neither: Int
    /// Images whose experts change while the prediction is right (2).
    package var routerOnly: Int
    /// Images whose experts stay while the prediction is wrong (3).
    package var predictionOnly: Int
    /// Images whose experts change and whose prediction is wrong (4).
    package var both: Int
    /// Different choices of experts over all layers that images took.
    package var pathways: Int
    /// Their entropy, in nats.
    package var pathwayEntropy: Double
    /// The mean share of (layer, expert) pairs that an image's pathway has in common with that of its clean image.
    package var cleanOverlap: Double?
    /// The mean over images of the channels that both their pathway and a mask keep, over those that either does; see
    /// ``MaskOverlapRow``.
    package var maskOverlap: Double?
    /// Its standard deviation over images.
    package var maskOverlapDeviation: Double?
    /// The mean overlap of pathways whose experts are chosen evenly at random in every layer.
    package var maskOverlapChance: Double?

    /// Makes a value of its parts.
    package init(
        split: String, inputs: String, samples: Int, neither: Int, routerOnly: Int, predictionOnly: Int, both: Int,
        pathways: Int, pathwayEntropy: Double, cleanOverlap: Double? = nil, maskOverlap: Double? = nil,
        maskOverlapDeviation: Double? = nil,
        maskOverlapChance: Double? = nil
    ) {
        self.split = split
        self.inputs = inputs
        self.samples = samples
        self.neither = neither
        self.routerOnly = routerOnly
        self.predictionOnly = predictionOnly
        self.both = both
        self.pathways = pathways
        self.pathwayEntropy = pathwayEntropy
        self.cleanOverlap = cleanOverlap
        self.maskOverlap = maskOverlap
        self.maskOverlapDeviation = maskOverlapDeviation
        self.maskOverlapChance = maskOverlapChance
    }

    private func bounds(_ count: Int) -> (low: Double, high: Double) {
        WilsonInterval.bounds(correct: count, samples: samples)
    }

    private static func share(
        _ name: String, _ count: @escaping @Sendable (DissectionRow) -> Int
    ) -> [CSVColumn<DissectionRow>] {
        [
            CSVColumn(name) { .integer(count($0)) },
            CSVColumn("\(name)_share") { CSVValue($0.samples > 0 ? Double(count($0)) / Double($0.samples) : nil) },
            CSVColumn("\(name)_low") { CSVValue($0.bounds(count($0)).low) },
            CSVColumn("\(name)_high") { CSVValue($0.bounds(count($0)).high) },
        ]
    }

    /// The second set of columns: the chance of mask overlaps came to the first.
    package static let schemaVersion = 2

    /// The columns of `dissection.csv`; intervals are Wilson's, 95%.
    package static let columns: [CSVColumn<DissectionRow>] =
        [
            CSVColumn("split") { .text($0.split) },
            CSVColumn("inputs") { .text($0.inputs) },
            CSVColumn("samples") { .integer($0.samples) },
        ] + share("neither") { $0.neither } + share("router_only") { $0.routerOnly }
        + share("prediction_only") { $0.predictionOnly } + share("both") { $0.both }
        + share("router_kept") { $0.neither + $0.predictionOnly } + share("correct") { $0.neither + $0.routerOnly } + [
            CSVColumn("pathways") { .integer($0.pathways) },
            CSVColumn("pathway_entropy") { CSVValue($0.pathwayEntropy) },
            CSVColumn("clean_overlap") { CSVValue($0.cleanOverlap) },
            CSVColumn("mask_overlap") { CSVValue($0.maskOverlap) },
            CSVColumn("mask_overlap_deviation") { CSVValue($0.maskOverlapDeviation) },
            CSVColumn("mask_overlap_chance") { CSVValue($0.maskOverlapChance) },
        ]
}
