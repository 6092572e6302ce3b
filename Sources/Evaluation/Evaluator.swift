import Attacks
import Collectives
import Datasets
import Files
import Foundation
import NetworkAttacks
import Networks
import Tensors

/// Measures clean and attacked accuracy in fixed chunks of consecutive images.
///
/// A rank takes whole chunks, each a pass of its own, so the result has the same bits on any number of ranks.
package struct Evaluator {
    /// Makes the passes of the network; routes that are given hold for attacks too.
    package var passes: PassFactory
    let communicator: any Communicator
    /// Images that are run together.
    let chunk: Int
    /// The seed of random starts.
    let seed: UInt64
    /// The mask that pathways are compared with, if any.
    let mask: MaskOverlap?
    /// Whether this rank is to stop; looked at before every pass over a chunk.
    let wantsToStop: () -> Bool

    /// What an evaluation came to.
    package enum Outcome {
        /// Every image was evaluated; rank 0 has the result.
        case finished(EvaluationResult?)
        /// A rank was to stop before that.
        case stopped

        /// The result; nil on ranks other than 0, and where the evaluation was stopped.
        package var result: EvaluationResult? { if case .finished(let result) = self { result } else { nil } }
    }

    /// Makes an evaluator; see the properties.
    package init(
        _ passes: PassFactory, _ communicator: any Communicator, chunk: Int, seed: UInt64, mask: MaskOverlap? = nil,
        wantsToStop: @escaping () -> Bool = { false }
    ) {
        self.passes = passes
        self.communicator = communicator
        self.chunk = chunk
        self.seed = seed
        self.mask = mask
        self.wantsToStop = wantsToStop
    }

    private var network: Network { passes.network }

    /// Evaluates images `indices` of a set; collective.
    /// - Parameter suffix: What the names of the inputs end in.
    package func run(
        _ set: ImageSet, _ indices: [Int], attacks: [NetworkAttack], suffix: String = ""
    ) throws -> Outcome {
        let count = (indices.count + chunk - 1) / chunk
        var evaluator = self
        var results: [EvaluationChunk] = []
        var isStopped = false
        for number in Swift.stride(from: communicator.rank, to: count, by: communicator.size) {
            let range = number * chunk..<min(indices.count, (number + 1) * chunk)
            evaluator.passes.progress = { [communicator] in communicator.note("evaluation, chunk \(number) of \(count)")
            }
            evaluator.passes.progress()
            let images = set.chunk(indices[range], workspace: passes.workspace)
            guard let result = try evaluator.evaluate(images, number: number, attacks: attacks) else {
                isStopped = true
                break
            }
            results.append(result)
        }
        var anyStopped: [Int64] = [isStopped ? 1 : 0]
        try communicator.allReduce(&anyStopped, .max)
        if anyStopped[0] > 0 { return .stopped }
        let bytes = try JSONEncoder().encode(results)
        let gathered = try communicator.gather([UInt8](bytes), to: 0)
        guard communicator.isRoot else { return .finished(nil) }
        var all: [EvaluationChunk] = []
        for part in gathered { all += try JSONDecoder().decode([EvaluationChunk].self, from: Data(part)) }
        all.sort { $0.chunk < $1.chunk }
        return .finished(
            EvaluationResult(
                chunks: all, attacks: attacks, network: network, classes: set.classes,
                secondsOfRankZero: results.seconds, suffix: suffix, mask: mask))
    }

    /// Returns nil if this rank is to stop.
    private func evaluate(
        _ batch: (images: Tensor, labels: [Int32], indices: [Int]), number: Int, attacks: [NetworkAttack]
    ) throws -> EvaluationChunk? {
        if wantsToStop() { return nil }
        var outcomes: [EvaluationChunk.Outcome] = []
        let start = ContinuousClock.now
        outcomes.append(try predict(batch.images, batch.labels, samples: batch.indices))
        outcomes[0].seconds = (ContinuousClock.now - start) / .seconds(1)
        for var attack in attacks {
            if wantsToStop() { return nil }
            let start = ContinuousClock.now
            // Attacks in evaluations meet the frozen model, whatever training does.
            attack.batchNorm = .frozen
            let adversarial = try attack.perturb(
                AttackBatch(images: [batch.images], labels: [batch.labels], samples: [batch.indices], seed: seed),
                passes)[0]
            var outcome = try predict(adversarial, batch.labels, samples: batch.indices)
            let ball = PerturbationBall(attack.norm, epsilon: 0)
            outcome.distances = (0..<adversarial.images).map {
                ball.distance(adversarial, around: batch.images, image: $0)
            }
            outcome.seconds = (ContinuousClock.now - start) / .seconds(1)
            outcomes.append(outcome)
        }
        return EvaluationChunk(
            chunk: number, indices: batch.indices, labels: batch.labels.map(Int.init), outcomes: outcomes)
    }

    private func predict(
        _ images: Tensor, _ labels: [Int32], samples: [Int]
    ) throws -> EvaluationChunk.Outcome {
        let record = PassRecord()
        var pass = passes.frozen(samples: [samples], record: record)
        // Folded filters give the experts' outputs times the batch norm's factor, which the variance is not of.
        if network.settings.mixture.map({ $0.router.varianceWeight > 0 }) == true { pass.folds = false }
        let (logits, _) = try network.forward([images], pass)
        var outcome = EvaluationChunk.Outcome()
        outcome.losses = CrossEntropy.evaluate(logits[0], labels, divisor: 1).losses
        guard outcome.losses.allSatisfy(\.isFinite), record.routers.allSatisfy(\.isFinite) else {
            // The same pass once more, to name the layer where it begins.
            pass.record = nil
            pass.checksValues = true
            let place = "evaluating images \(samples[0]) to \(samples[samples.count - 1])"
            do { _ = try network.forward([images], pass) } catch { throw RunError.numerical("\(place): \(error)") }
            throw RunError.numerical("\(place): every layer's output is finite, yet a loss or a router's score is not")
        }
        outcome.predictions = CrossEntropy.predictions(logits[0]).map(Int.init)
        outcome.layers = record.routers.map { ExpertUsage(layer: $0.layer, sums: $0.perShard[0].sums) }
        outcome.outputs = record.routers.map(\.perShard[0].outputs)
        outcome.chosen = record.routers.map { $0.perShard[0].routes.experts }
        return outcome
    }
}

/// What one chunk gave: the clean outcome first, then one for each attack.
package struct EvaluationChunk: Codable {
    package struct Outcome: Codable {
        package var predictions: [Int] = []
        package var losses: [Double] = []
        package var distances: [Double] = []
        package var layers: [ExpertUsage] = []
        /// For each mixture layer, what its experts gave, where the loss of its variance is weighed; else of no image.
        package var outputs: [ExpertOutputs] = []
        /// For each mixture layer, the experts that were chosen, `[images][choices]`.
        package var chosen: [[Int]] = []
        package var seconds = 0.0
    }
    package let chunk: Int
    package let indices: [Int]
    package let labels: [Int]
    package var outcomes: [Outcome]
}

extension [EvaluationChunk] {
    /// Seconds of each outcome, added up.
    fileprivate var seconds: [Double] {
        guard let first else { return [] }
        return first.outcomes.indices.map { index in reduce(0) { $0 + $1.outcomes[index].seconds } }
    }
}
