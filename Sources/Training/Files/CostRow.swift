import Networks

/// A row of `cost.csv`: multiply-adds of a forward pass of one image, counted from the network's layers.
///
/// Batch norms, ReLUs and pooling are not counted.
public struct CostRow: CSVRow, Equatable {
    /// What is counted.
    ///
    /// - `path`: what runs for an image, shared layers and chosen experts, without routers;
    /// - `path-and-routers`;
    /// - `all-experts`: with all experts computed, as codes do that mask their results, without routers;
    /// - `published`, of a pruned network: with inputs shrunk by the share of filters that is left as well as outputs, in
    ///   every layer, which is what AdvMoE's paper counts.
    public var counted: String
    /// How many.
    public var multiplyAdds: Int

    /// The columns of `cost.csv`.
    public static let columns: [CSVColumn<CostRow>] = [
        CSVColumn("counted") { .text($0.counted) },
        CSVColumn("multiply_adds") { .integer($0.multiplyAdds) },
    ]

    /// The rows of a network; none where the size of its images is not known.
    static func rows(_ network: Network) throws -> [CostRow] {
        guard let cost = network.cost, let size = network.settings.imageSize else { return [] }
        var rows = [
            CostRow(counted: "path", multiplyAdds: cost.path),
            CostRow(counted: "path-and-routers", multiplyAdds: cost.path + cost.routers),
            CostRow(counted: "all-experts", multiplyAdds: cost.allExperts),
        ]
        if !network.settings.keptFilters.isEmpty {
            let kept = network.prunable.reduce(0) { $0 + ($1.kept?.count ?? $1.filters) }
            var narrow = network.settings
            narrow.keptFilters = [:]
            narrow.ratio *= Double(kept) / Double(network.prunable.reduce(0) { $0 + $1.filters })
            rows.append(CostRow(counted: "published", multiplyAdds: try Network.cost(narrow, imageSize: size).path))
        }
        return rows
    }
}
