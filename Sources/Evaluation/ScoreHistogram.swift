import Files

/// How a router's scores are spread: images of each expert in equal intervals of [0, 1]; the last one includes 1.
package struct ScoreHistogram: Codable, Equatable {
    /// `[expert][interval]`.
    package private(set) var counts: [[Int]]

    /// Counts the softmax probabilities `[images][experts]` of images; none where the router was bypassed.
    init(scores: [Float], experts: Int) {
        let bins = RouterScoreRow.bins
        counts = [[Int]](repeating: [Int](repeating: 0, count: bins), count: experts)
        for (place, score) in scores.enumerated() {
            counts[place % experts][min(bins - 1, Int(Double(score) * Double(bins)))] += 1
        }
    }

    /// Adds the counts of other images.
    mutating func add(_ other: ScoreHistogram) {
        for (expert, row) in other.counts.enumerated() {
            for (bin, count) in row.enumerated() { counts[expert][bin] += count }
        }
    }

    /// Rows of `router_scores.csv`, expert by expert; none where no router was asked.
    package func rows(split: String, inputs: String, layer: String) -> [RouterScoreRow] {
        counts.enumerated().flatMap { expert, row -> [RouterScoreRow] in
            let samples = row.reduce(0, +)
            guard samples > 0 else { return [] }
            return row.enumerated().map { bin, count in
                RouterScoreRow(
                    split: split, inputs: inputs, layer: layer, expert: expert, bin: bin, count: count,
                    samples: samples)
            }
        }
    }
}
