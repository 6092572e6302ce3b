import NetworkAttacks
import Networks

extension RunConfiguration {
    /// The section `moe`: experts and routers.
    package struct MixtureOfExperts: Sendable, Equatable {
        /// How the chosen experts' scores become weights.
        package enum Weights: String, Sendable, ConfigurationChoice {
            /// Divided by their sum.
            case renormalised
            /// As they are.
            case plain
        }

        /// What router statistics are taken over.
        package enum Statistics: String, Sendable, ConfigurationChoice {
            /// The global batch.
            case global
            /// A rank's own slice.
            case local
        }

        /// The part `moe.balance`: the loss that keeps experts in use.
        package struct Balance: Sendable, Equatable {
            /// The loss of one router.
            ///
            /// The entropy loss is taken of scores without noise, so `noise` does not reach it.
            package var loss = Automatic<BalanceLoss>.automatic
            /// The factor of the loss, at least 0, of each layer.
            package var weight = 0.5

            /// Makes the section with every default.
            package init() {}
        }

        /// What an expert is.
        package var kind = NoneOr<ExpertKind>.none
        /// The parameter paths that get experts; nil means the architecture's last stage, such as `[layer4]`, and with channel
        /// experts all that can.
        package var placement: [String]?
        /// Who decides which expert an image goes to.
        package var routes = RoutingRule.Decision.learned
        /// Whether the convolution of a shortcut gets experts too.
        package var includeDownsample = true
        /// Experts of a layer, at least 1.
        package var experts = 4
        /// Experts that an image goes to, from 1 to `experts`.
        package var topK = 1
        /// How scores are made.
        package var router = RouterName.gapLinear
        /// Rows and columns of the filters of `conv-gap` and `double-conv-gap`, 1 or 3.
        package var routerKernel = 3
        /// How far one choice of channel experts reaches.
        package var scope = RouterScope.layer
        /// Where the channels of channel experts lie.
        package var slabs = SlabArrangement.disjoint
        /// Whether the gate is straight-through, as `isStraightThrough` decides.
        package var straightThrough = Automatic<Bool>.automatic
        /// How scores become weights.
        package var weights = Weights.renormalised
        /// The deviation of the noise on scores in training passes, at least 0, as a multiple of the scores' own.
        package var noise = 0.0
        /// The most images that an expert takes in a training pass, above 0, as a multiple of an even share of the batch;
        /// nil means no limit.
        ///
        /// The entropy loss selects without it, and allows none.
        package var capacity: Double?
        /// What router statistics are taken over.
        package var statistics = Statistics.global
        /// The balancing loss.
        package var balance = Balance()
        /// The factor of the loss that wants the mean outputs of a layer's experts to differ, at least 0.
        package var varianceWeight = 0.0

        /// Makes the section with every default.
        package init() {}

        /// The balancing loss, with `auto` decided.
        package var resolvedLoss: BalanceLoss { balance.loss.or(kind.value == .channel ? .none : .entropy) }

        /// Whether the gate is straight-through, with `auto` decided.
        package var isStraightThrough: Bool { straightThrough.or(topK == 1) }
    }
}

extension RoutingRule.Decision: ScalarValue {
    static var noun: String { "learned, uniform or an expert's number from 0" }
    static var words: [String] { ["learned", "uniform"] }

    init?(text: String, plain: Bool) {
        switch text {
        case "learned": self = .learned
        case "uniform": self = .uniform
        default:
            guard let expert = Int(text: text, plain: plain), expert >= 0 else { return nil }
            self = .expert(expert)
        }
    }

    package var written: ConfigurationNode {
        switch self {
        case .learned: .text("learned")
        case .uniform: .text("uniform")
        case .expert(let expert): expert.written
        }
    }
}

extension ConfigurationBound where Value == String {
    /// A path of parameters such as `layer4.0` or `layer*.1.conv2`.
    static var parameterPath: ConfigurationBound {
        ConfigurationBound(text: "each a path such as layer4.0.conv1, where * stands for one component") { path in
            path.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { component in
                !component.isEmpty
                    && component.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_*".contains($0)) }
            }
        }
    }
}

extension RunConfiguration.MixtureOfExperts: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("kind", \.kind, "what an expert is"),
        ConfigurationKey(
            "placement", \.placement,
            "parameter paths that get experts; null: the last stage, such as [layer4], or all with channel experts",
            .ifGiven(.each(.parameterPath)), onlyWhere: .mixtures),
        ConfigurationKey("routes", \.routes, "who decides which expert an image goes to", onlyWhere: .mixtures),
        ConfigurationKey(
            "include_downsample", \.includeDownsample, "whether shortcuts' convolutions get experts too",
            onlyWhere: ConfigurationCondition("moe.kind: conv") { $0.kind.value == .conv }),
        ConfigurationKey(
            "experts", \.experts, "experts of a layer", .within(1...NetworkLimits.experts), onlyWhere: .mixtures),
        ConfigurationKey(
            "top_k", \.topK, "experts that an image goes to", .within(1...NetworkLimits.experts), onlyWhere: .mixtures),
        ConfigurationKey("router", \.router, "how scores are made", onlyWhere: .mixtures),
        ConfigurationKey(
            "router_kernel", \.routerKernel, "side of a convolutional router's filters", .oneOf([1, 3]),
            onlyWhere: ConfigurationCondition("moe.router: conv-gap or double-conv-gap") {
                $0.kind != .none && [.convGap, .doubleConvGap].contains($0.router)
            }),
        ConfigurationKey("scope", \.scope, "how far one choice of channel experts reaches", onlyWhere: .mixtures),
        ConfigurationKey(
            "slabs", \.slabs, "channels of channel experts: their own, or windows of the dense layer's",
            onlyWhere: ConfigurationCondition("moe.kind: channel") { $0.kind.value == .channel }),
        ConfigurationKey("straight_through", \.straightThrough, "0/1 gates; auto: on at top_k 1", onlyWhere: .mixtures),
        ConfigurationKey("weights", \.weights, "how scores become weights", onlyWhere: .mixtures),
        ConfigurationKey(
            "noise", \.noise, "noise on scores in training, in their deviations", .atLeast(0),
            onlyWhere: ConfigurationCondition("a moe.balance.loss other than entropy") {
                $0.kind != .none && $0.resolvedLoss != .entropy
            }),
        ConfigurationKey(
            "capacity", \.capacity, "most images an expert takes in training, in even shares; null: no limit",
            .ifGiven(.above(0, atMost: Double(NetworkLimits.experts))), onlyWhere: .mixtures),
        ConfigurationKey("statistics", \.statistics, "what router statistics are taken over", onlyWhere: .mixtures),
        ConfigurationKey("balance", \.balance, "the balancing loss", onlyWhere: .mixtures),
        ConfigurationKey(
            "variance_weight", \.varianceWeight, "factor of the loss that wants experts' outputs to differ",
            .atLeast(0), onlyWhere: .mixtures),
    ]
}

extension ConfigurationCondition where Section == RunConfiguration.MixtureOfExperts {
    /// What belongs to networks with experts.
    fileprivate static var mixtures: ConfigurationCondition {
        ConfigurationCondition("a moe.kind other than none") { $0.kind != .none }
    }
}

extension RunConfiguration.MixtureOfExperts.Balance: ConfigurationSection {
    static let keys: [ConfigurationKey<Self>] = [
        ConfigurationKey("loss", \.loss, "the balancing loss of a router"),
        ConfigurationKey("weight", \.weight, "its factor", .atLeast(0)),
    ]
}

extension ExpertKind: ConfigurationChoice {}
extension RouterName: ConfigurationChoice {}
extension RouterScope: ConfigurationChoice {}
extension SlabArrangement: ConfigurationChoice {}
extension BalanceLoss: ConfigurationChoice {}
