import Attacks
import Networks
import Tensors

/// A network as attacks see it: parameters stay untouched, balancing losses take no part, and routes are recomputed at
/// every call, with new noise if the pass has any.
///
/// Statistics stay untouched too, unless `updatesStatistics` asks for a reference's habit of moving the running ones at
/// every gradient. Calls are then collective, as they are with synchronized normalisation.
package final class AttackedNetwork: AttackTarget {
    private let network: Network
    private let pass: Pass
    private let updatesStatistics: Bool
    private let goal: AttackGoal
    /// Noise of draw 0 is that of the training pass itself.
    private var draw = 1

    /// Makes the target.
    /// - Parameters:
    ///   - pass: The pass that every call makes, but for its noise; without a record.
    ///   - goal: What objectives of the target's own choice mean.
    package init(_ network: Network, _ pass: Pass, updatesStatistics: Bool = false, goal: AttackGoal = AttackGoal()) {
        var pass = pass
        pass.record = nil
        pass.routerTargets = goal.routerTargets
        pass.routerTargetWeight = goal.routerWeight
        self.network = network
        self.goal = goal
        self.pass = pass
        self.updatesStatistics = updatesStatistics && pass.normalization != .running
    }

    package func outcomeAndInputGradient(
        _ images: [Tensor], _ objective: Objective
    ) throws -> (outcomes: [AttackOutcome], gradient: [Tensor]) {
        var pass = nextPass()
        pass.record = updatesStatistics || !goal.routerTargets.isEmpty ? PassRecord() : nil
        let (logits, tape) = try network.forward(images, pass)
        if updatesStatistics {
            _ = try pass.record?.settle(extra: images.map { _ in [] }, pass.statistics, pass.parameters)
        }
        let results = evaluate(logits, pass.record, objective)
        let gradient = try network.backward(results.map(\.dLogits), tape, pass, into: nil, wantsInput: true)
        return (results.map(\.outcome), gradient)
    }

    package func outcome(_ images: [Tensor], _ objective: Objective) throws -> [AttackOutcome] {
        var pass = nextPass()
        pass.record = goal.routerTargets.isEmpty ? nil : PassRecord()
        return evaluate(try network.forward(images, pass).logits, pass.record, objective).map(\.outcome)
    }

    private func nextPass() -> Pass {
        var next = pass
        if case .learned(let training?) = pass.routing { next.routing = .learned(training.redrawn(draw)) }
        draw += 1
        return next
    }

    /// The divisor is 1: attacks follow the direction of each image's own gradient.
    private func evaluate(
        _ logits: [Tensor], _ record: PassRecord?, _ objective: Objective
    ) -> [(outcome: AttackOutcome, dLogits: Tensor)] {
        let goal: AttackGoal
        let labels: [[Int32]]
        switch objective {
        case .crossEntropy(let given): (goal, labels) = (AttackGoal(), given)
        case .target(let given): (goal, labels) = (self.goal, given)
        }
        return logits.indices.map { shard in
            let (logits, labels) = (logits[shard], labels[shard])
            var (losses, dLogits) = CrossEntropy.evaluate(logits, labels, divisor: 1)
            if let clean = goal.cleanLogits {
                let divergence = Divergence.evaluate(clean[shard], logits, weight: 1)
                (losses, dLogits) = (divergence.values, divergence.dLogits)
            }
            if !goal.usesModel {
                losses = losses.map { _ in 0 }
                dLogits.fill(0)
            }
            let ofRouters = goal.routerLosses(record, shard: shard, images: logits.images)
            losses = zip(losses, ofRouters).map { $0 + $1 }
            let isCorrect = zip(CrossEntropy.predictions(logits), labels).map { $0 == $1 }
            return (AttackOutcome(losses: losses, isCorrect: isCorrect), dLogits)
        }
    }
}

extension Network {
    /// The routes that these images take, by layer, to be given to later passes.
    package func routes(_ images: [Tensor], _ pass: Pass) throws -> [String: GivenRoutes] {
        let record = PassRecord()
        var pass = pass
        pass.record = record
        _ = try forward(images, pass)
        return record.givenRoutes
    }
}

extension PassRecord {
    /// The routes that were taken, by layer, to be given to later passes.
    package var givenRoutes: [String: GivenRoutes] {
        Dictionary(
            routers.map { ($0.layer, .routes($0.perShard.map(\.routes))) }, uniquingKeysWith: { first, _ in first })
    }
}
