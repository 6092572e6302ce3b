import Networks

/// Moves parameters by a gradient, the same way on every rank.
package protocol Optimizer: AnyObject {
    /// What it keeps from step to step: arenas laid out like the parameters, by what stands behind a parameter's name in
    /// `optimizer.safetensors`.
    var state: [(name: String, arena: UnsafeMutableBufferPointer<Float>)] { get }

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

/// Which rule an optimizer follows.
package enum OptimizerName: String, CaseIterable, Sendable {
    /// Stochastic gradient descent with momentum.
    case sgd
}

/// How parameters are moved.
package struct OptimizerSettings: Sendable, Equatable {
    /// The rule of the step.
    package var name = OptimizerName.sgd
    /// The learning rate at its highest, above 0.
    package var rate = 0.1
    /// The share of the last step that is kept, at least 0 and below 1.
    package var momentum = 0.9
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

    /// The entries of `decayExclude` that name no slot that could decay.
    package func unmatchedExclusions(_ slots: [Slot]) -> [String] {
        decayExclude.filter { entry in !slots.contains { !$0.isStatistic && Self.names(entry, $0) } }
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
        }
    }
}
