import Networks

/// Moves parameters by a gradient, the same way on every rank.
package protocol Optimizer: AnyObject {
    /// What it keeps from step to step: arenas laid out like the parameters, by what stands behind a parameter's name in
    /// `optimizer.safetensors`.
    var state: [(name: String, arena: UnsafeMutableBufferPointer<Float>)] { get }

    /// How often each trainable slot was moved, in the slots' order; empty where the rule does not ask.
    var updates: [Int64] { get set }

    /// Takes one step in place.
    ///
    /// - Parameters:
    ///   - gradient: The gradient of the global batch's mean loss, laid out like the parameters.
    ///   - rate: The learning rate.
    ///   - idle: Experts without an image in the global batch, which stay as they are.
    ///   - groups: What moves; the rest stays as it is, its state too.
    func step(
        _ parameters: Parameters, _ gradient: UnsafeMutableBufferPointer<Float>, rate: Double,
        idle: Set<ExpertOwner>, groups: Set<ParameterGroup>
    )
}

extension Optimizer {
    package var updates: [Int64] {
        get { [] }
        set { precondition(newValue.isEmpty, "the rule counts no updates") }
    }
}

/// Which rule an optimizer follows.
package enum OptimizerName: String, CaseIterable, Sendable {
    /// Stochastic gradient descent with momentum.
    case sgd
    /// The same with a rate that each tensor scales by the norms of its weights and gradient.
    case lars
    /// Adam's step, scaled by the norms of a tensor's weights and step.
    case lamb
    /// The first moment of the gradient over the root of the second.
    case adam
    /// The same with decay apart from the gradient.
    case adamw

    /// Whether each tensor scales the rate by norms.
    package var isLayerwise: Bool { self == .lars || self == .lamb }
    /// Whether it keeps second moments.
    package var isAdaptive: Bool { self == .lamb || self == .adam || self == .adamw }
}

/// How parameters are moved.
package struct OptimizerSettings: Sendable, Equatable {
    /// The rule of the step.
    package var name = OptimizerName.sgd
    /// The learning rate at its highest, above 0.
    package var rate = 0.1
    /// The global batch that ``rate`` is meant for, at least 1: another one scales it in proportion (Goyal et al.,
    /// arXiv:1706.02677); nil means any.
    package var ratePerImages: Int?
    /// The share of the last step, or of the gradient's first moment, that is kept, at least 0 and below 1.
    package var momentum = 0.9
    /// The share of the gradient's second moment that is kept, at least 0 and below 1.
    package var secondMomentum = 0.999
    /// What keeps denominators from 0, above 0; nil means the rule's own.
    package var epsilon: Double?
    /// Whether `lamb` corrects its moments for their zero start, as published.
    package var biasCorrection = false
    /// The factor of `lars`' ratio of norms, above 0.
    package var trustCoefficient = 0.001
    /// The parameters that have no ratio of norms, as patterns of names.
    package var trustExclude: [String] = []
    /// Whether the gradient is added to the momentum once more; needs a momentum above 0.
    package var nesterov = false
    /// The factor of the weights that is added to the gradient, at least 0.
    package var weightDecay = 5e-4
    /// The parameters that do not decay, as patterns of names.
    package var decayExclude: [String] = []
    /// The Euclidean norm, above 0, that the gradient of a step is scaled down to where it is longer; nil means never.
    package var clipNorm: Double?

    /// Makes settings with every default.
    package init() {}

    /// Whether a slot decays.
    ///
    /// `decayExclude` names what does not: a slot whose last path components are the entry (`bias`, `bn1.weight`) or that
    /// lies below it (`layer4`).
    package func decays(_ slot: Slot) -> Bool { !decayExclude.contains { Self.names($0, slot) } }

    /// Whether a slot has a ratio of norms under a layerwise rule; `trustExclude` names what has none, as `decayExclude` does.
    func trusts(_ slot: Slot) -> Bool { !trustExclude.contains { Self.names($0, slot) } }

    /// What keeps denominators from 0: that of the papers and of PyTorch if none is given.
    var resolvedEpsilon: Double {
        if let epsilon { return epsilon }
        switch name {
        case .sgd: return 0
        case .lars: return 1e-9
        case .lamb: return 1e-6
        case .adam, .adamw: return 1e-8
        }
    }

    /// The highest rate of a run with this global batch.
    package func rate(globalBatch: Int) -> Double {
        ratePerImages.map { rate * Double(globalBatch) / Double($0) } ?? rate
    }

    /// The entries of `decayExclude` that name no slot that could decay.
    package func unmatchedExclusions(_ slots: [Slot]) -> [String] { unmatched(decayExclude, slots) }

    /// The entries of `trustExclude` that name no slot that could have a ratio.
    package func unmatchedTrustExclusions(_ slots: [Slot]) -> [String] { unmatched(trustExclude, slots) }

    private func unmatched(_ entries: [String], _ slots: [Slot]) -> [String] {
        entries.filter { entry in !slots.contains { !$0.isStatistic && Self.names(entry, $0) } }
    }

    private static func names(_ entry: String, _ slot: Slot) -> Bool {
        let components = slot.name.split(separator: ".")
        let wanted = entry.split(separator: ".")
        return components.suffix(wanted.count).elementsEqual(wanted) || Placement([entry]).covers(slot.name)
    }
}

extension OptimizerName {
    /// Makes the optimizer.
    ///
    /// - Parameters:
    ///   - settings: Those of each group of parameters.
    ///   - trains: Whether a slot moves at all.
    func optimizer(
        _ settings: [ParameterGroup: OptimizerSettings], _ parameters: Parameters, trains: (Slot) -> Bool
    ) -> any Optimizer {
        switch self {
        case .sgd: StochasticGradientDescent(settings, parameters, trains: trains)
        case .lars: LayerwiseScaling(settings, parameters, trains: trains)
        case .lamb, .adam, .adamw: AdaptiveMoments(self, settings, parameters, trains: trains)
        }
    }
}
