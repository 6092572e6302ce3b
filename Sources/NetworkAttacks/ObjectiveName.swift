import Attacks
import Networks
import Tensors

/// What an attack on a network makes large, by the words of configurations and tables.
public enum ObjectiveName: String, CaseIterable, Sendable {
    /// Cross entropy with the labels.
    case crossEntropy = "cross-entropy"
    /// The margin by which the best wrong class beats the label.
    case margin
    /// The difference of logits ratio.
    case dlr
    /// The divergence from what the model says of the clean images.
    case divergence = "kl"
    /// The divergence of routers from what they say of the clean images.
    case routerDivergence = "router-divergence"
    /// Both divergences, the routers' times `beta`.
    case modelAndRouterDivergence = "model-and-router-divergence"
    /// The cross entropy of routers with the label modulo the experts.
    case routerLabels = "router-labels"
    /// Cross entropy with the labels, and `beta` times that of routers with the label modulo the experts.
    case modelAndRouterLabels = "model-and-router-labels"
    /// The cross entropy of routers with the experts that they choose for the clean images, while the label holds: images
    /// that are misclassified already stay as they are (RA-R of JTDMoE, arXiv:2502.06832).
    case routerChoice = "router-choice"
    /// Cross entropy with the labels, and `beta` times that of routers with the experts that they choose for the clean images.
    case modelAndRouterChoice = "model-and-router-choice"

    /// Whether it looks at what routers give.
    public var readsRouters: Bool {
        switch self {
        case .crossEntropy, .margin, .dlr, .divergence: false
        case .routerDivergence, .modelAndRouterDivergence, .routerLabels, .modelAndRouterLabels, .routerChoice,
            .modelAndRouterChoice:
            true
        }
    }

    /// Whether it compares with what the model says of the clean images.
    public var readsCleanImages: Bool {
        switch self {
        case .divergence, .routerDivergence, .modelAndRouterDivergence, .routerChoice, .modelAndRouterChoice: true
        case .crossEntropy, .margin, .dlr, .routerLabels, .modelAndRouterLabels: false
        }
    }

    /// Whether its value is lowest at the clean images, where it then has no slope.
    public var isFlatAtCleanImages: Bool {
        switch self {
        case .divergence, .routerDivergence, .modelAndRouterDivergence: true
        case .crossEntropy, .margin, .dlr, .routerLabels, .modelAndRouterLabels, .routerChoice, .modelAndRouterChoice:
            false
        }
    }

    /// Classes that a network must have.
    public var fewestClasses: Int { self == .dlr ? DifferenceOfLogitsRatioObjective.fewestClasses : 1 }

    /// The factor of the routers' part where none is given.
    public var usualBeta: Double { self == .modelAndRouterLabels ? 6 : 1 }

    /// Makes the objective for a batch.
    ///
    /// - Parameters:
    ///   - labels: `[shard][image]`.
    ///   - network: The network that is attacked.
    ///   - beta: The factor of the routers' part where the model has a part too.
    ///   - clean: What the network says of the clean images, where it matters.
    public func objective(
        labels: [[Int32]], network: Network, beta: Double, clean: CleanOutputs
    ) -> any Objective {
        let experts = network.settings.mixture?.router.experts ?? 1
        func labelsOfRouters() -> any Objective {
            RouterObjective(labels: labels, layers: network.mixtureLayers, experts: experts)
        }
        switch self {
        case .crossEntropy: return CrossEntropyObjective(labels: labels)
        case .margin: return MarginObjective(labels: labels)
        case .dlr: return DifferenceOfLogitsRatioObjective(labels: labels)
        case .divergence: return DivergenceObjective(from: clean.logits)
        case .routerDivergence: return RouterObjective(targets: clean.routers)
        case .modelAndRouterDivergence:
            return WeightedSumObjective([
                (DivergenceObjective(from: clean.logits), 1), (RouterObjective(targets: clean.routers), beta),
            ])
        case .routerLabels: return labelsOfRouters()
        case .modelAndRouterLabels:
            return WeightedSumObjective([(CrossEntropyObjective(labels: labels), 1), (labelsOfRouters(), beta)])
        case .routerChoice: return UntilFooledObjective(RouterObjective(targets: clean.choices), labels: labels)
        case .modelAndRouterChoice:
            return WeightedSumObjective([
                (CrossEntropyObjective(labels: labels), 1), (RouterObjective(targets: clean.choices), beta),
            ])
        }
    }
}

/// What a network says of clean images, for objectives that compare with it.
public struct CleanOutputs {
    /// `[images, 1, 1, classes]` a shard; empty where nobody asks.
    public var logits: [Tensor] = []
    /// Probabilities of routers by layer, `[shard][images × experts]`.
    public var routers: [String: [[Float]]] = [:]
    /// Which experts routers choose, as distributions by layer, `[shard][images × experts]`: even over those chosen.
    public var choices: [String: [[Float]]] = [:]

    /// Nothing.
    public init() {}
}
