import Attacks
import Collectives
import Configuration
import Datasets
import Files
import Foundation
import Networks
import Tensors
import Training

/// Measures clean and attacked accuracy in fixed chunks of consecutive images.
///
/// A rank takes whole chunks, each a pass of its own, so the result has the same bits on any number of ranks.
package struct Evaluator {
    package let network: Network
    package let configuration: RunConfiguration
    package let communicator: any Communicator
    package let workspace: Workspace
    package let filters: FilterCache
    /// Layers, by path, whose routes are given; for attacks too.
    package var given: [String: GivenRoutes] = [:]
    /// The mask that pathways are compared with, if any.
    package var mask: MaskOverlap?

    /// Makes a value of its parts.
    package init(
        network: Network, configuration: RunConfiguration, communicator: any Communicator, workspace: Workspace,
        filters: FilterCache, given: [String: GivenRoutes] = [:], mask: MaskOverlap? = nil
    ) {
        self.network = network
        self.configuration = configuration
        self.communicator = communicator
        self.workspace = workspace
        self.filters = filters
        self.given = given
        self.mask = mask
    }

    /// Evaluates images `indices` of a set; collective.
    /// - Parameter suffix: What the names of the inputs end in.
    /// - Returns: The merged result on rank 0, nil on the others.
    package func run(
        _ set: ImageSet, _ indices: [Int], _ attacks: [RunConfiguration.Attack], suffix: String = ""
    ) throws -> EvaluationResult? {
        let size = configuration.evaluation.chunk
        let count = (indices.count + size - 1) / size
        var results: [EvaluationChunk] = []
        for chunk in Swift.stride(from: communicator.rank, to: count, by: communicator.size) {
            let range = chunk * size..<min(indices.count, (chunk + 1) * size)
            results.append(try evaluate(set.chunk(indices[range], workspace: workspace), chunk, attacks))
        }
        let bytes = try JSONEncoder().encode(results)
        let gathered = try communicator.gather([UInt8](bytes), to: 0)
        guard communicator.isRoot else { return nil }
        var all: [EvaluationChunk] = []
        for part in gathered { all += try JSONDecoder().decode([EvaluationChunk].self, from: Data(part)) }
        all.sort { $0.chunk < $1.chunk }
        return EvaluationResult(
            chunks: all, attacks: attacks, network: network, classes: set.classes, secondsOfRankZero: results.seconds,
            suffix: suffix, mask: mask)
    }

    private func evaluate(
        _ batch: (images: Tensor, labels: [Int32], indices: [Int]), _ chunk: Int, _ attacks: [RunConfiguration.Attack]
    ) throws -> EvaluationChunk {
        var outcomes: [EvaluationChunk.Outcome] = []
        let start = ContinuousClock.now
        outcomes.append(try predict(batch.images, batch.labels, batch.indices))
        outcomes[0].seconds = (ContinuousClock.now - start) / .seconds(1)
        for attack in attacks {
            let start = ContinuousClock.now
            guard let method = attack.makeAttack() else { continue }
            var pass = pass(batch.indices, record: nil)
            if attack.routing == .clean {
                pass.given.merge(try network.routes([batch.images], pass)) { given, _ in given }
            }
            let isPlain = attack.resolvedObjective == .crossEntropy
            let goal = try AttackGoal(
                attack.resolvedObjective, labels: [batch.labels], network: network, weight: configuration.training.beta,
                cleanLogits: network.forward([batch.images], pass).logits)
            let adversarial = try method.perturb(
                [batch.images], isPlain ? .crossEntropy([batch.labels]) : .target([batch.labels]),
                samples: [batch.indices], against: AttackedNetwork(network, pass, goal: goal),
                seed: configuration.training.seed, step: 0)[0]
            var outcome = try predict(adversarial, batch.labels, batch.indices)
            let ball = PerturbationBall(attack.norm == .linf ? .linf : .l2, epsilon: 0)
            outcome.distances = (0..<adversarial.images).map {
                ball.distance(adversarial, around: batch.images, image: $0)
            }
            outcome.seconds = (ContinuousClock.now - start) / .seconds(1)
            outcomes.append(outcome)
        }
        return EvaluationChunk(
            chunk: chunk, indices: batch.indices, labels: batch.labels.map(Int.init), outcomes: outcomes)
    }

    /// Attacks in evaluations meet the frozen model, whatever training does.
    private func pass(_ samples: [Int], record: PassRecord?) -> Pass {
        var pass = Pass(
            parameters: network.parameters, workspace: workspace, filters: filters,
            arithmetic: configuration.kernelArithmetic, normalization: .running,
            folds: configuration.kernelArithmetic == .fast, routing: configuration.routing(step: nil),
            samples: [samples], record: record)
        pass.given = given
        return pass
    }

    private func predict(
        _ images: Tensor, _ labels: [Int32], _ samples: [Int]
    ) throws -> EvaluationChunk.Outcome {
        let record = PassRecord()
        var pass = pass(samples, record: record)
        let (logits, _) = try network.forward([images], pass)
        var outcome = EvaluationChunk.Outcome()
        outcome.losses = CrossEntropy.evaluate(logits[0], labels, divisor: 1).losses
        let scores = record.routers.flatMap { $0.perShard[0].sums.probability }
        guard (outcome.losses + scores).allSatisfy(\.isFinite) else {
            // The same pass once more, to name the layer where it begins.
            pass.record = nil
            pass.checksValues = true
            let place = "evaluating images \(samples[0]) to \(samples[samples.count - 1])"
            do { _ = try network.forward([images], pass) } catch { throw RunError.numerical("\(place): \(error)") }
            throw RunError.numerical("\(place): every layer's output is finite, yet a loss or a router's score is not")
        }
        outcome.predictions = CrossEntropy.predictions(logits[0]).map(Int.init)
        outcome.layers = record.routers.map { TrainingWindow.Layer(layer: $0.layer, sums: $0.perShard[0].sums) }
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
        package var layers: [TrainingWindow.Layer] = []
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
