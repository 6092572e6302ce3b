/// A row of `experts.csv`: what one expert of one layer got to do, counted exactly over all ranks.
package struct ExpertRow: CSVRow, Equatable {
    /// Epoch, step, split and inputs.
    package var position: RowPosition
    /// The parameter path of the layer, `router` for the image scope.
    package var layer: String
    /// The number of the expert, from 0.
    package var expert: Int
    /// Pairs of an image and this expert among its chosen ones; a layer's add up to samples × top_k.
    package var count: Int
    /// `count` over the sum of the layer's counts, in [0, 1].
    package var fraction: Double?
    /// The mean probability that the router gives to the expert, in [0, 1].
    package var probabilityMass: Double?
    /// Whether no image chose the expert.
    package var dead: Bool

    /// A row; what is nil is not measured.
    package init(
        position: RowPosition, layer: String, expert: Int, count: Int, fraction: Double?, probabilityMass: Double?,
        dead: Bool
    ) {
        self.position = position
        self.layer = layer
        self.expert = expert
        self.count = count
        self.fraction = fraction
        self.probabilityMass = probabilityMass
        self.dead = dead
    }

    /// The columns of `experts.csv`.
    package static let columns: [CSVColumn<ExpertRow>] =
        RowPosition.columns { $0.position } + [
            CSVColumn("layer") { .text($0.layer) },
            CSVColumn("expert") { .integer($0.expert) },
            CSVColumn("count") { .integer($0.count) },
            CSVColumn("fraction") { CSVValue($0.fraction) },
            CSVColumn("probability_mass") { CSVValue($0.probabilityMass) },
            CSVColumn("dead") { .boolean($0.dead) },
        ]
}

/// A row of `routing.csv`: how one layer spreads images over its experts.
///
/// Entropies are in nats.
package struct RoutingRow: CSVRow, Equatable {
    /// Epoch, step, split and inputs.
    package var position: RowPosition
    /// The parameter path of the layer, `router` for the image scope.
    package var layer: String
    /// The number of images, over all ranks.
    package var samples: Int
    /// The entropy of the shares of images that the experts got.
    package var usageEntropy: Double?
    /// The mean entropy of the router's probabilities for an image.
    package var routerEntropy: Double?
    /// The largest count over the mean count: 1 in perfect balance, the number of experts in collapse at top-1.
    package var maxOverMean: Double?
    /// The share of images whose chosen set differs from the clean one; adversarial rows of evaluations only.
    package var flipRate: Double?
    /// What is wrong with the use of experts, if anything.
    package var alarm: String?

    /// A row; what is nil is not measured.
    package init(
        position: RowPosition, layer: String, samples: Int, usageEntropy: Double?, routerEntropy: Double?,
        maxOverMean: Double?, flipRate: Double? = nil, alarm: String? = nil
    ) {
        self.position = position
        self.layer = layer
        self.samples = samples
        self.usageEntropy = usageEntropy
        self.routerEntropy = routerEntropy
        self.maxOverMean = maxOverMean
        self.flipRate = flipRate
        self.alarm = alarm
    }

    /// The columns of `routing.csv`.
    package static let columns: [CSVColumn<RoutingRow>] =
        RowPosition.columns { $0.position } + [
            CSVColumn("layer") { .text($0.layer) },
            CSVColumn("samples") { .integer($0.samples) },
            CSVColumn("usage_entropy") { CSVValue($0.usageEntropy) },
            CSVColumn("router_entropy") { CSVValue($0.routerEntropy) },
            CSVColumn("max_over_mean") { CSVValue($0.maxOverMean) },
            CSVColumn("flip_rate") { CSVValue($0.flipRate) },
            CSVColumn("alarm") { CSVValue($0.alarm) },
        ]
}
