import Networks

/// LARS (You et al., arXiv:1708.03888): SGD with momentum whose rate each tensor scales by λ = η‖w‖ / (‖g‖ + β‖w‖ + δ), with η the
/// trust coefficient, β the weight decay and δ ``OptimizerSettings/epsilon``: v = m·v + rate·λ·(g + β·w); w −= v.
///
/// The rate stands inside of the velocity, unlike in ``StochasticGradientDescent``: a step keeps the rate that it was taken with.
/// λ is 1 where either norm is 0. One-dimensional tensors (biases, batch norms) and what `trust_exclude` names have λ = 1 and no
/// decay. Experts that saw no image of the global batch are skipped whole.
final class LayerwiseScaling: Optimizer {
    private let settings: [ParameterGroup: OptimizerSettings]
    private let slots: [Slot]
    private let velocity: OptimizerArena

    init(_ settings: [ParameterGroup: OptimizerSettings], _ parameters: Parameters, trains: (Slot) -> Bool) {
        self.settings = settings
        slots = parameters.slots.filter { !$0.isStatistic && trains($0) }
        velocity = OptimizerArena(parameters)
    }

    /// The velocity, in units of weights.
    var state: [(name: String, arena: UnsafeMutableBufferPointer<Float>)] { [("momentum", velocity.values)] }

    /// See ``Optimizer``.
    func step(
        _ parameters: Parameters, _ gradient: UnsafeMutableBufferPointer<Float>, rate: Double, idle: Set<ExpertOwner>,
        groups: Set<ParameterGroup>
    ) {
        parameters.update(groups) { writable in
            for slot in slots where groups.contains(slot.group) {
                guard let settings = settings[slot.group] else { continue }
                if let owner = slot.owner, idle.contains(owner) { continue }
                move(slot, writable.values, gradient, rate, settings)
            }
        }
    }

    private func move(
        _ slot: Slot, _ values: UnsafeMutableBufferPointer<Float>, _ gradient: UnsafeMutableBufferPointer<Float>,
        _ rate: Double, _ settings: OptimizerSettings
    ) {
        guard let w = values.baseAddress, let g = gradient.baseAddress, let v = velocity.values.baseAddress else {
            return
        }
        let isTrusted = settings.trusts(slot) && slot.layout.shape.count > 1
        let decay = isTrusted && settings.decays(slot) ? settings.weightDecay : 0
        let momentum = Float(settings.momentum)
        for part in isTrusted ? TrustRatio.parts(of: slot) : [slot.range] {
            var trust = 1.0
            if isTrusted {
                let (weight, slope) = (TrustRatio.norm(part) { w[$0] }, TrustRatio.norm(part) { g[$0] })
                if weight > 0, slope > 0 {
                    trust =
                        settings.trustCoefficient * weight / (slope + decay * weight + settings.resolvedEpsilon)
                }
            }
            let (scaled, pull) = (Float(rate * trust), Float(decay))
            for index in part {
                v[index] = momentum * v[index] + scaled * (g[index] + pull * w[index])
                w[index] -= v[index]
            }
        }
    }
}
