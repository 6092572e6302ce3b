import Attacks
import Networks
import Tensors

/// A network as attacks see it: parameters stay untouched, balancing losses take no part, and routes are recomputed at
/// every call, with new noise if the pass has any.
///
/// Statistics stay untouched too, unless `updatesStatistics` asks for a reference's habit of moving the running ones at
/// every gradient. Calls are then collective, as they are with synchronized normalisation.
final class AttackedNetwork: AttackTarget {
    private let network: Network
    private let pass: Pass
    private let updatesStatistics: Bool
    /// Noise of draw 0 is that of the training pass itself.
    private var draw = 1

    /// Makes the target.
    /// - Parameter pass: The pass that every call makes, but for its noise; without a record.
    init(_ network: Network, _ pass: Pass, updatesStatistics: Bool = false) {
        var pass = pass
        pass.record = nil
        self.network = network
        self.pass = pass
        self.updatesStatistics = updatesStatistics && pass.normalization != .running
    }

    func outcomeAndInputGradient(
        _ images: [Tensor], _ objective: Objective
    ) throws -> (outcomes: [AttackOutcome], gradient: [Tensor]) {
        var pass = nextPass()
        pass.record = updatesStatistics ? PassRecord() : nil
        let (logits, tape) = try network.forward(images, pass)
        _ = try pass.record?.settle(extra: images.map { _ in [] }, pass.statistics, pass.parameters)
        let results = evaluate(logits, objective)
        let gradient = try network.backward(results.map(\.dLogits), tape, pass, into: nil, wantsInput: true)
        return (results.map(\.outcome), gradient)
    }

    func outcome(_ images: [Tensor], _ objective: Objective) throws -> [AttackOutcome] {
        evaluate(try network.forward(images, nextPass()).logits, objective).map(\.outcome)
    }

    private func nextPass() -> Pass {
        var next = pass
        if case .learned(let training?) = pass.routing { next.routing = .learned(training.redrawn(draw)) }
        draw += 1
        return next
    }

    /// The divisor is 1: attacks follow the direction of each image's own gradient.
    private func evaluate(
        _ logits: [Tensor], _ objective: Objective
    ) -> [(outcome: AttackOutcome, dLogits: Tensor)] {
        guard case .crossEntropy(let labels) = objective else { return [] }
        return zip(logits, labels).map { logits, labels in
            let (losses, dLogits) = CrossEntropy.evaluate(logits, labels, divisor: 1)
            let isCorrect = zip(CrossEntropy.predictions(logits), labels).map { $0 == $1 }
            return (AttackOutcome(losses: losses, isCorrect: isCorrect), dLogits)
        }
    }
}

extension TrainingRouting {
    /// The routing of another pass of the same step; draw 0 is the step's own.
    func redrawn(_ draw: Int) -> TrainingRouting {
        var other = self
        other.seed &+= UInt64(draw) << 40
        return other
    }
}

extension Network {
    /// The routes that these images take, by layer, to be given to later passes.
    func routes(_ images: [Tensor], _ pass: Pass) throws -> [String: GivenRoutes] {
        let record = PassRecord()
        var pass = pass
        pass.record = record
        _ = try forward(images, pass)
        return Dictionary(
            record.routers.map { ($0.layer, .routes($0.perShard.map(\.routes))) },
            uniquingKeysWith: { first, _ in first })
    }
}
