import Foundation
import Networks

/// Adam (arXiv:1412.6980), AdamW (arXiv:1711.05101) and LAMB (You et al., arXiv:1904.00962): steps along the gradient's first
/// moment over the root of its second one, m = β₁m + (1 − β₁)g, v = β₂v + (1 − β₂)g².
///
/// - `adam`, `adamw` with PyTorch's conventions (torch.optim.Adam, torch.optim.AdamW): moments are corrected by 1 − βᵗ, t the
///   updates of the tensor; decay is added to the gradient, or taken off the weights at `rate · decay` ahead of the step.
/// - `lamb`: r = m/(√v + ε) + decay·w; w −= rate · (min(‖w‖, 10) / ‖r‖) · r, the ratio 1 where either norm is 0. As DAT (Zhang et
///   al., arXiv:2206.06257) uses it, moments are not corrected; `bias_correction` corrects them, as published.
///
/// β₁ is ``OptimizerSettings/momentum``. Experts that saw no image of the global batch are skipped whole, their count of updates
/// too, as PyTorch skips parameters without a gradient.
final class AdaptiveMoments: Optimizer {
    /// The longest weights that count in full, by LAMB.
    private static let longestWeights = 10.0

    private let rule: OptimizerName
    private let settings: [ParameterGroup: OptimizerSettings]
    private let slots: [(index: Int, slot: Slot)]
    private let first: OptimizerArena
    private let second: OptimizerArena
    var updates: [Int64]

    init(
        _ rule: OptimizerName, _ settings: [ParameterGroup: OptimizerSettings], _ parameters: Parameters,
        trains: (Slot) -> Bool
    ) {
        self.rule = rule
        self.settings = settings
        let trainable = parameters.slots.filter { !$0.isStatistic }
        slots = trainable.enumerated().filter { trains($0.element) }.map { ($0.offset, $0.element) }
        updates = Array(repeating: 0, count: trainable.count)
        first = OptimizerArena(parameters)
        second = OptimizerArena(parameters)
    }

    /// The moments.
    var state: [(name: String, arena: UnsafeMutableBufferPointer<Float>)] {
        [("momentum", first.values), ("second", second.values)]
    }

    /// See ``Optimizer``.
    func step(
        _ parameters: Parameters, _ gradient: UnsafeMutableBufferPointer<Float>, rate: Double, idle: Set<ExpertOwner>,
        groups: Set<ParameterGroup>
    ) {
        parameters.update(groups) { writable in
            for (index, slot) in slots where groups.contains(slot.group) {
                guard let settings = settings[slot.group] else { continue }
                if let owner = slot.owner, idle.contains(owner) { continue }
                updates[index] += 1
                move(slot, writable.values, gradient, rate, updates: updates[index], settings)
            }
        }
    }

    private func move(
        _ slot: Slot, _ values: UnsafeMutableBufferPointer<Float>, _ gradient: UnsafeMutableBufferPointer<Float>,
        _ rate: Double, updates: Int64, _ settings: OptimizerSettings
    ) {
        guard let w = values.baseAddress, let g = gradient.baseAddress, let m = first.values.baseAddress,
            let v = second.values.baseAddress
        else { return }
        let decay = settings.decays(slot) ? settings.weightDecay : 0
        let isCorrected = rule != .lamb || settings.biasCorrection
        let (beta1, beta2) = (settings.momentum, settings.secondMomentum)
        let correction1 = isCorrected ? 1 - pow(beta1, Double(updates)) : 1
        let correction2 = isCorrected ? 1 - pow(beta2, Double(updates)) : 1
        let root = Float(correction2.squareRoot())
        let epsilon = Float(settings.resolvedEpsilon)
        let (keep1, keep2) = (Float(beta1), Float(beta2))
        let (take1, take2) = (Float(1 - beta1), Float(1 - beta2))
        let added = rule == .adam ? Float(decay) : 0
        for index in slot.range {
            let slope = g[index] + added * w[index]
            m[index] = keep1 * m[index] + take1 * slope
            v[index] = keep2 * v[index] + take2 * slope * slope
        }
        guard rule == .lamb else {
            let step = Float(rate / correction1)
            let shrink = rule == .adamw ? Float(1 - rate * decay) : 1
            for index in slot.range {
                w[index] = shrink * w[index] - step * m[index] / (v[index].squareRoot() / root + epsilon)
            }
            return
        }
        let (scale, pull) = (Float(1 / correction1), Float(decay))
        func direction(_ index: Int) -> Float {
            scale * m[index] / (v[index].squareRoot() / root + epsilon) + pull * w[index]
        }
        let isTrusted = settings.trusts(slot)
        for part in isTrusted ? TrustRatio.parts(of: slot) : [slot.range] {
            var trust = 1.0
            if isTrusted {
                let (weight, length) = (TrustRatio.norm(part) { w[$0] }, TrustRatio.norm(part, direction))
                if weight > 0, length > 0 { trust = min(weight, Self.longestWeights) / length }
            }
            let step = Float(rate * trust)
            for index in part { w[index] -= step * direction(index) }
        }
    }
}
