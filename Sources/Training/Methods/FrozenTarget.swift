import Attacks
import Networks
import Tensors

/// A network as attacks see it: parameters and statistics stay untouched, balancing losses take no part, and routes are
/// recomputed at every call.
struct FrozenTarget: AttackTarget {
    let network: ResNet
    /// The pass that every call makes; without a record.
    let pass: Pass

    init(_ network: ResNet, _ pass: Pass) {
        var pass = pass
        pass.record = nil
        self.network = network
        self.pass = pass
    }

    func lossesAndInputGradient(
        _ images: [Tensor], _ objective: Objective
    ) throws -> (losses: [[Double]], gradient: [Tensor]) {
        let (logits, tape) = try network.forward(images, pass)
        let results = evaluate(logits, objective)
        let gradient = try network.backward(results.map(\.dLogits), tape, pass, into: nil, wantsInput: true)
        return (results.map(\.losses), gradient)
    }

    func outcome(_ images: [Tensor], _ objective: Objective) throws -> [AttackOutcome] {
        let (logits, _) = try network.forward(images, pass)
        guard case .crossEntropy(let labels) = objective else { return [] }
        return zip(evaluate(logits, objective), zip(logits, labels)).map { result, pair in
            AttackOutcome(
                losses: result.losses, isCorrect: zip(CrossEntropy.predictions(pair.0), pair.1).map { $0 == $1 })
        }
    }

    /// The divisor is 1: attacks follow the sign of each image's own gradient.
    private func evaluate(_ logits: [Tensor], _ objective: Objective) -> [(losses: [Double], dLogits: Tensor)] {
        guard case .crossEntropy(let labels) = objective else { return [] }
        return zip(logits, labels).map { CrossEntropy.evaluate($0, $1, divisor: 1) }
    }
}
