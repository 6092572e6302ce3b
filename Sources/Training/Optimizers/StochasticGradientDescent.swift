import Networks

/// SGD with momentum, Nesterov's variant and weight decay, with PyTorch's conventions (torch.optim.SGD, no dampening):
/// g += decay·p; v = momentum·v + g; p −= rate·(g + momentum·v) with Nesterov, else rate·v.
///
/// Experts that saw no image of the global batch are skipped whole: no decay, no momentum, as PyTorch skips parameters
/// without a gradient.
package final class StochasticGradientDescent: Optimizer {
    private let settings: [ParameterGroup: OptimizerSettings]
    private let slots: [Slot]
    private let arena: OptimizerArena
    /// The momentum arena, laid out like the parameters.
    package var momentum: UnsafeMutableBufferPointer<Float> { arena.values }

    /// Makes an optimizer with zero momentum.
    ///
    /// - Parameters:
    ///   - settings: Those of each group of parameters.
    ///   - trains: Slots that it refuses stay as they are.
    package init(
        _ settings: [ParameterGroup: OptimizerSettings], _ parameters: Parameters,
        trains: (Slot) -> Bool = { _ in true }
    ) {
        self.settings = settings
        slots = parameters.slots.filter { !$0.isStatistic && trains($0) }
        arena = OptimizerArena(parameters)
    }

    /// The momentum.
    package var state: [(name: String, arena: UnsafeMutableBufferPointer<Float>)] { [("momentum", momentum)] }

    /// See ``Optimizer``.
    package func step(
        _ parameters: Parameters, _ gradient: UnsafeMutableBufferPointer<Float>, rate: Double, idle: Set<ExpertOwner>,
        groups: Set<ParameterGroup> = [.backbone, .router]
    ) {
        parameters.update(groups) { move($0.values, gradient, rate: rate, idle: idle, groups: groups) }
    }

    private func move(
        _ values: UnsafeMutableBufferPointer<Float>, _ gradient: UnsafeMutableBufferPointer<Float>, rate: Double,
        idle: Set<ExpertOwner>, groups: Set<ParameterGroup>
    ) {
        guard let p = values.baseAddress, let g = gradient.baseAddress, let v = momentum.baseAddress else { return }
        let rate = Float(rate)
        for slot in slots where groups.contains(slot.group) {
            guard let settings = settings[slot.group] else { continue }
            let factor = Float(settings.momentum)
            if let owner = slot.owner, idle.contains(owner) { continue }
            let decay = settings.decays(slot) ? Float(settings.weightDecay) : 0
            if settings.nesterov {
                for index in slot.range {
                    let total = g[index] + decay * p[index]
                    v[index] = factor * v[index] + total
                    p[index] -= rate * (total + factor * v[index])
                }
            } else {
                for index in slot.range {
                    v[index] = factor * v[index] + g[index] + decay * p[index]
                    p[index] -= rate * v[index]
                }
            }
        }
    }
}
