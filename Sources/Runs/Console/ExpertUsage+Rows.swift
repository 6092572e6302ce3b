import Files
import Networks

extension ExpertUsage {
    /// Rows of `experts.csv`; probability mass is empty where routers were bypassed.
    func expertRows(_ position: RowPosition) -> [ExpertRow] {
        sums.chosen.indices.map { expert in
            ExpertRow(
                position: position, layer: layer, expert: expert, count: Int(sums.chosen[expert]),
                fraction: fraction(expert), probabilityMass: isRouted ? sums.shares[expert] : nil,
                dead: sums.chosen[expert] == 0)
        }
    }

    /// The row of `routing.csv`; entropies in nats.
    ///
    /// - Parameter samples: The images that made the choices.
    func routingRow(_ position: RowPosition, samples: Int, flipRate: Double? = nil) -> RoutingRow {
        RoutingRow(
            position: position, layer: layer, samples: samples, usageEntropy: usageEntropy,
            routerEntropy: routerEntropy, maxOverMean: maxOverMean, flipRate: flipRate,
            alarm: alarm(samples: samples)?.rawValue)
    }
}
