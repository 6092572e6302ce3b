import Collectives
import Tensors
import Testing

@testable import Networks
@testable import Training

/// What one training pass gives: the loss and the gradient of the global batch.
struct BatchOutcome {
    var taskLoss = 0.0
    var balanceLoss = 0.0
    var gradient: [Float] = []
    var chosen: [[Double]] = []
    var statistics: [Float] = []

    /// The first thing that differs from `reference` by more than may be, or nil.
    ///
    /// - Parameter tolerance: How far the gradient of a slot may be from the reference's, as a part of its norm and a
    ///   twentieth of the whole gradient's: behind synchronized moments small gradients are what large ones leave when
    ///   they cancel, and have their rounding.
    func difference(from reference: BatchOutcome, _ parameters: Parameters, tolerance: Double) -> String? {
        for (name, found, expected) in [
            ("task loss", taskLoss, reference.taskLoss), ("balance loss", balanceLoss, reference.balanceLoss),
        ] where !(abs(found - expected) <= 1e-6 * max(1, abs(expected))) {
            return "the \(name) is \(found), expected \(expected)"
        }
        if chosen != reference.chosen { return "experts were chosen \(chosen), expected \(reference.chosen)" }
        let whole = reference.gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        for slot in parameters.slots where !slot.isStatistic {
            var (error, norm) = (0.0, 0.0)
            for index in slot.range {
                let expected = Double(reference.gradient[index])
                error += (Double(gradient[index]) - expected) * (Double(gradient[index]) - expected)
                norm += expected * expected
            }
            let scale = norm.squareRoot() + 0.05 * whole
            if !(error.squareRoot() <= tolerance * scale) {
                return "the gradient of \(slot.name) is off by \(error.squareRoot() / scale) of its norm \(scale)"
            }
        }
        return nil
    }
}

/// Reports a difference that should not be there.
func expectAgreement(
    _ difference: String?, _ place: String = "", _ sourceLocation: SourceLocation = #_sourceLocation
) {
    if let difference { Issue.record("\(difference) (\(place))", sourceLocation: sourceLocation) }
}

/// A mistake that a test makes on purpose.
enum Mistake: Sendable {
    case none
    /// The last part's gradient is left out.
    case lostPart
    /// Each part's loss is a mean of its own, and the global loss the mean of those.
    case meanOfMeans
}

extension RankScene {
    /// One process, one batch: what all others are compared with.
    func reference(_ normalization: Normalization) throws -> BatchOutcome {
        let record = PassRecord()
        let whole = 0..<count
        let pass = pass([whole], normalization, record: record)
        let (logits, tape) = try network.forward([part(whole)], pass)
        let (losses, dLogits) = CrossEntropy.evaluate(logits[0], labels, divisor: count)
        let gradients = Gradients(network.parameters)
        return try restoringStatistics {
            let settled = try record.settle(extra: [[]], SoloStatistics(), network.parameters).settled
            _ = try network.backward(
                [dLogits], tape, pass, into: GradientAccumulator(gradients, settled.balance), wantsInput: false)
            return outcome(losses.reduce(0, +), settled, gradients.arenas[0])
        }
    }

    /// The same by way of all ranks and `shards` parts on each.
    func overRanks(
        _ communicator: any Communicator, shards: Int, _ normalization: Normalization, _ mistake: Mistake = .none
    ) throws -> BatchOutcome {
        let parts = communicator.size * shards
        let numbers = communicator.rank * shards..<(communicator.rank + 1) * shards
        let ranges = numbers.map { range($0, of: parts) }
        let statistics = CommunicatorStatistics(communicator: communicator, isOrdered: shards > 1)
        let record = PassRecord()
        let pass = pass(ranges, normalization, statistics, record: record)
        let (logits, tape) = try network.forward(ranges.map(part), pass)
        let results = zip(logits, ranges).map { logits, range in
            CrossEntropy.evaluate(
                logits, Array(labels[range]), divisor: mistake == .meanOfMeans ? parts * max(1, range.count) : count)
        }
        let sums = zip(results, ranges).map { result, range in
            [
                result.losses.reduce(0, +)
                    * (mistake == .meanOfMeans ? Double(count) / Double(parts * max(1, range.count)) : 1)
            ]
        }
        // Buckets of a few kilobytes, so that many are open during the backward pass.
        let exchange = GradientExchange(
            network.parameters, shards: shards, isOrdered: shards > 1, bucketMegabytes: 0.01, communicator)
        return try restoringStatistics {
            let (totals, settled) = try record.settle(extra: sums, statistics, network.parameters)
            exchange.begin([.backbone, .router], step: 0)
            let losesPart = mistake == .lostPart && communicator.rank == communicator.size - 1
            let gradients = losesPart ? Gradients(network.parameters, shards: shards) : exchange.gradients
            _ = try network.backward(
                results.map(\.dLogits), tape, pass, into: GradientAccumulator(gradients, settled.balance),
                wantsInput: false)
            if losesPart {
                for (kept, made) in zip(exchange.gradients.arenas, gradients.arenas).dropLast() {
                    _ = kept.update(from: made)
                }
            }
            _ = try exchange.finish()
            return outcome(totals[0], settled, exchange.total)
        }
    }

    private func outcome(
        _ lossSum: Double, _ record: SettledRecord, _ gradient: UnsafeMutableBufferPointer<Float>
    ) -> BatchOutcome {
        BatchOutcome(
            taskLoss: lossSum / Double(count), balanceLoss: record.routers.reduce(0) { $0 + $1.balanceLoss },
            gradient: Array(gradient), chosen: record.routers.map(\.global.chosen),
            statistics: Array(network.parameters.statistics))
    }

    /// Calls `body`, and takes back what it did to the running statistics.
    private func restoringStatistics(_ body: () throws -> BatchOutcome) rethrows -> BatchOutcome {
        let parameters = network.parameters
        let before = Array(parameters.statistics)
        defer {
            parameters.update([]) { _ = $0.statistics.update(from: before) }
        }
        return try body()
    }
}
