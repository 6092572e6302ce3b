/// A row of `mask_overlap.csv`: how many images' pathways overlap so much with a mask.
package struct MaskOverlapRow: CSVRow, Equatable {
    /// Intervals that [0, 1] is cut into.
    static let bins = 50

    /// `validation` or `test`.
    package var split: String
    /// `clean`, or the attack's id.
    package var inputs: String
    /// The interval's number, from 0.
    package var bin: Int
    /// Images in it.
    package var count: Int
    /// All images.
    package var samples: Int

    /// The columns of `mask_overlap.csv`.
    package static let columns: [CSVColumn<MaskOverlapRow>] = [
        CSVColumn("split") { .text($0.split) },
        CSVColumn("inputs") { .text($0.inputs) },
        CSVColumn("low") { CSVValue(Double($0.bin) / Double(bins)) },
        CSVColumn("high") { CSVValue(Double($0.bin + 1) / Double(bins)) },
        CSVColumn("count") { .integer($0.count) },
        CSVColumn("share") { CSVValue($0.samples > 0 ? Double($0.count) / Double($0.samples) : nil) },
    ]

    /// The distribution of overlaps, from the lowest to the highest interval; the last one includes 1.
    package static func rows(_ overlaps: [Double], split: String, inputs: String) -> [MaskOverlapRow] {
        var counts = [Int](repeating: 0, count: bins)
        for overlap in overlaps { counts[min(bins - 1, Int(overlap * Double(bins)))] += 1 }
        return counts.enumerated().map { bin, count in
            MaskOverlapRow(split: split, inputs: inputs, bin: bin, count: count, samples: overlaps.count)
        }
    }
}
