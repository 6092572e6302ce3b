import Files
import Networks

extension CostRow {
    /// The rows of a network; none where the size of its images is not known.
    package static func rows(_ network: Network) throws -> [CostRow] {
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
