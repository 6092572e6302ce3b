@testable import Networks

/// PyTorch's SGD with Nesterov momentum and weight decay, written out: what ten fixture steps are compared under.
struct StochasticGradientDescent {
    let rate: Float
    let momentum: Float
    let decay: Float
    private var buffers: [String: [Float]] = [:]

    init(_ settings: NetworkFixture.Optimizer) {
        rate = settings.rate
        momentum = settings.momentum
        decay = settings.decay
    }

    /// Moves every parameter but those of experts that saw no image.
    mutating func step(_ parameters: Parameters, _ gradients: Gradients, _ record: SettledRecord) {
        for slot in parameters.slots where !slot.isStatistic {
            if let owner = slot.owner, record.isIdle(owner) { continue }
            parameters.update {
                let values = $0.values(of: slot)
                let gradient = gradients.arenas[0][slot.range].enumerated().map { $1 + decay * values[$0] }
                // The first step of PyTorch's momentum takes the gradient as it is.
                let buffer = buffers[slot.name].map { old in zip(old, gradient).map { momentum * $0 + $1 } } ?? gradient
                buffers[slot.name] = buffer
                for index in values.indices { values[index] -= rate * (gradient[index] + momentum * buffer[index]) }
            }
        }
    }
}

extension SettledRecord {
    /// Whether an expert saw no image of the global batch.
    func isIdle(_ owner: ExpertOwner) -> Bool {
        routers.contains { $0.layer == owner.layer && $0.global.chosen[owner.expert] == 0 }
    }
}
