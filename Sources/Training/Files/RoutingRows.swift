/// A row of `experts.csv`: what one expert of one layer got to do, counted exactly over all ranks.
public struct ExpertRow: CSVRow, Equatable {
    /// Epoch, step, split and inputs.
    public var position: RowPosition
    /// The parameter path of the layer, `router` for the image scope.
    public var layer: String
    /// The number of the expert, from 0.
    public var expert: Int
    /// Pairs of an image and this expert among its chosen ones; a layer's add up to samples × top_k.
    public var count: Int
    /// `count` over the sum of the layer's counts, in [0, 1].
    public var fraction: Double?
    /// The mean probability that the router gives to the expert, in [0, 1].
    public var probabilityMass: Double?
    /// Whether no image chose the expert.
    public var dead: Bool

    /// A row; what is nil is not measured.
    public init(
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
    public static let columns: [CSVColumn<ExpertRow>] =
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
public struct RoutingRow: CSVRow, Equatable {
    /// Epoch, step, split and inputs.
    public var position: RowPosition
    /// The parameter path of the layer, `router` for the image scope.
    public var layer: String
    /// The number of images, over all ranks.
    public var samples: Int
    /// The entropy of the shares of images that the experts got.
    public var usageEntropy: Double?
    /// The mean entropy of the router's probabilities for an image.
    public var routerEntropy: Double?
    /// The largest count over the mean count: 1 in perfect balance, the number of experts in collapse at top-1.
    public var maxOverMean: Double?
    /// The share of images whose chosen set differs from the clean one; adversarial rows of evaluations only.
    public var flipRate: Double?
    /// What is wrong with the use of experts, if anything.
    public var alarm: RoutingAlarm?

    /// A row; what is nil is not measured.
    public init(
        position: RowPosition, layer: String, samples: Int, usageEntropy: Double?, routerEntropy: Double?,
        maxOverMean: Double?, flipRate: Double? = nil, alarm: RoutingAlarm? = nil
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
    public static let columns: [CSVColumn<RoutingRow>] =
        RowPosition.columns { $0.position } + [
            CSVColumn("layer") { .text($0.layer) },
            CSVColumn("samples") { .integer($0.samples) },
            CSVColumn("usage_entropy") { CSVValue($0.usageEntropy) },
            CSVColumn("router_entropy") { CSVValue($0.routerEntropy) },
            CSVColumn("max_over_mean") { CSVValue($0.maxOverMean) },
            CSVColumn("flip_rate") { CSVValue($0.flipRate) },
            CSVColumn("alarm") { CSVValue($0.alarm?.rawValue) },
        ]
}
