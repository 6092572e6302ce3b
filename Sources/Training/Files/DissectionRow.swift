/// A row of `dissection.csv`: whether attacks got through by routers or past them, and how many ways through the experts
/// images took.
public struct DissectionRow: CSVRow, Equatable {
    /// `validation` or `test`.
    public var split: String
    /// `clean`, or the attack's id.
    public var inputs: String
    /// The number of images.
    public var samples: Int
    /// Images whose experts stay those of the clean image, in all layers, and whose prediction is right (category 1).
    public var neither: Int
    /// Images whose experts change while the prediction is right (2).
    public var routerOnly: Int
    /// Images whose experts stay while the prediction is wrong (3).
    public var predictionOnly: Int
    /// Images whose experts change and whose prediction is wrong (4).
    public var both: Int
    /// Different choices of experts over all layers that images took.
    public var pathways: Int
    /// Their entropy, in nats.
    public var pathwayEntropy: Double
    /// The mean share of (layer, expert) pairs that an image's pathway has in common with that of its clean image.
    public var cleanOverlap: Double?
    /// The mean over images of the channels that both their pathway and a mask keep, over those that either does; see
    /// ``MaskOverlapRow``.
    public var maskOverlap: Double?
    /// Its standard deviation over images.
    public var maskOverlapDeviation: Double?

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

    /// The columns of `dissection.csv`; intervals are Wilson's, 95%.
    public static let columns: [CSVColumn<DissectionRow>] =
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
        ]
}
