import Attacks
import Collectives
import Datasets
import Networks
import Tensors

/// One step of training on one rank: an attack and an update on what it made, or several updates that replay a batch.
final class TrainingStep {
    /// What an update did, over the global batch and the same on every rank, beside rank-local seconds.
    struct Outcome {
        var lossSum: Double
        var correct: Int
        var routers: [RouterRecord]
        var gradientNorm: Double
        var rate: Double
        /// Whether any rank was asked to stop.
        var isAskedToStop: Bool
        var attackSeconds: Double
        var waitSeconds: Double
        var communicationSeconds: Double
    }

    let network: Network
    let configuration: RunConfiguration
    let optimizer: StochasticGradientDescent
    let filters: FilterCache
    private let communicator: any Communicator
    private let workspace: Workspace
    private let exchange: GradientExchange
    private let statistics: CommunicatorStatistics
    private let schedule: LearningRateSchedule
    private let attack: (any Attack)?
    /// The perturbation of `free`, and nil with every other method.
    let noise: FreeNoise?
    /// The moving average of the weights, if the run keeps one.
    let average: WeightAverage?

    init(
        _ network: Network, _ configuration: RunConfiguration, communicator: any Communicator, workspace: Workspace,
        shards: Int, stepsPerEpoch: Int, traits: DatasetTraits
    ) {
        self.network = network
        self.configuration = configuration
        self.communicator = communicator
        self.workspace = workspace
        let training = configuration.training
        let isOrdered = configuration.distributed.deterministicShards > 0
        optimizer = StochasticGradientDescent(training.optimizer, network.parameters)
        filters = FilterCache(capacityMegabytes: configuration.kernels.transformCacheMegabytes)
        exchange = GradientExchange(
            network.parameters, shards: shards, isOrdered: isOrdered,
            bucketMegabytes: configuration.distributed.bucketMegabytes, communicator)
        statistics = CommunicatorStatistics(communicator: communicator, isOrdered: isOrdered)
        schedule = LearningRateSchedule(training, stepsPerEpoch: stepsPerEpoch)
        attack = configuration.trainingAttack?.makeAttack()
        noise =
            training.method == .free
            ? FreeNoise(configuration.attack, globalBatch: training.globalBatch, traits, shards: shards, communicator)
            : nil
        average = training.weightAverage.map { WeightAverage(decay: $0, network.parameters) }
    }

    /// Takes global step `step`, counted from 0, on this rank's part of a batch.
    ///
    /// Returns what each update of the step did: one, but for methods that replay a batch.
    func run(_ batch: PreparedBatch, step: Int, wantsToStop: Bool) throws -> [Outcome] {
        guard let noise else {
            let started = ContinuousClock.now
            let images = try attacked(batch, step: step)
            let attackSeconds = (ContinuousClock.now - started) / .seconds(1)
            var outcome = try update(images, batch, step: step, wantsToStop: wantsToStop).outcome
            outcome.attackSeconds = attackSeconds
            return [outcome]
        }
        let outcomes = try (0..<configuration.training.replays).map { replay in
            let (outcome, gradient) = try update(
                noise.applied(to: batch), batch, step: step, replay: replay, wantsToStop: wantsToStop, wantsInput: true)
            noise.ascend(gradient, batch)
            return outcome
        }
        try noise.share(batch)
        return outcomes
    }

    /// Forward, backward with the exchange under way, optimizer.
    /// - Returns: Beside the outcome the gradient of the images, if wanted.
    private func update(
        _ images: [Tensor], _ batch: PreparedBatch, step: Int, replay: Int = 0, wantsToStop: Bool,
        wantsInput: Bool = false
    ) throws -> (outcome: Outcome, gradient: [Tensor]) {
        let record = PassRecord()
        let pass = Pass(
            parameters: network.parameters, workspace: workspace, filters: filters,
            arithmetic: configuration.kernelArithmetic, normalization: configuration.normalization,
            routing: configuration.routing(step: step, draw: replay), statistics: statistics, samples: batch.indices,
            record: record)
        let (logits, tape) = try network.forward(images, pass)
        let results = zip(logits, batch.labels).map { CrossEntropy.evaluate($0, $1, divisor: batch.globalSize) }
        var sums = results.indices.map { shard -> [Double] in
            let right = zip(CrossEntropy.predictions(logits[shard]), batch.labels[shard]).count { $0 == $1 }
            return [results[shard].losses.reduce(0, +), Double(right), 0]
        }
        sums[0][2] = wantsToStop ? 1 : 0
        let totals = try record.settle(extra: sums, statistics, network.parameters)
        guard totals[0].isFinite else {
            throw try diagnose(images, batch, step: step, isOwn: !sums.allSatisfy { $0[0].isFinite })
        }

        exchange.begin()
        let gradient = try network.backward(
            results.map(\.dLogits), tape, pass, into: exchange.gradients, wantsInput: wantsInput)
        let timing = try exchange.finish()
        let norm = GradientNorm.value(exchange.total)
        guard norm.isFinite else {
            throw RunError.numerical("step \(step): the norm of the gradient is \(norm), expected a finite number")
        }
        if let limit = configuration.training.optimizer.clipNorm {
            GradientNorm.clip(exchange.total, norm: norm, to: limit)
        }
        let rate = schedule.rate(atStep: step)
        optimizer.step(network.parameters, exchange.total, rate: rate, idle: idleExperts(record))
        average?.update(network.parameters)
        let outcome = Outcome(
            lossSum: totals[0], correct: Int(totals[1]), routers: record.routers, gradientNorm: norm, rate: rate,
            isAskedToStop: totals[2] > 0, attackSeconds: 0, waitSeconds: timing.waited,
            communicationSeconds: timing.span)
        return (outcome, gradient)
    }

    private func attacked(_ batch: PreparedBatch, step: Int) throws -> [Tensor] {
        guard let attack else { return batch.images }
        let settings = configuration.attack
        let isFrozen = settings.batchNorm == .frozen
        var pass = Pass(
            parameters: network.parameters, workspace: workspace, filters: filters,
            arithmetic: configuration.kernelArithmetic,
            normalization: isFrozen ? .running : configuration.normalization,
            folds: isFrozen && configuration.kernelArithmetic == .fast,
            routing: configuration.routing(step: settings.routing == .noisy ? step : nil),
            statistics: statistics, samples: batch.indices)
        if settings.routing == .clean { pass.given = try network.routes(batch.images, pass) }
        let target = AttackedNetwork(network, pass, updatesStatistics: settings.batchNorm == .batchUpdating)
        return try attack.perturb(
            batch.images, .crossEntropy(batch.labels), samples: batch.indices, against: target,
            seed: configuration.training.seed, step: step)
    }

    private func idleExperts(_ record: PassRecord) -> Set<ExpertOwner> {
        var result: Set<ExpertOwner> = []
        for router in record.routers {
            for (expert, count) in router.global.chosen.enumerated() where count == 0 {
                result.insert(ExpertOwner(layer: router.layer, expert: expert))
            }
        }
        return result
    }

    /// Finds the first layer that gives a value that is not finite, on the ranks where that happens, and returns the
    /// error of the whole job.
    private func diagnose(_ images: [Tensor], _ batch: PreparedBatch, step: Int, isOwn: Bool) throws -> RunError {
        var finding = ""
        if isOwn {
            var pass = Pass(
                parameters: network.parameters, workspace: workspace, filters: filters,
                arithmetic: configuration.kernelArithmetic, normalization: .local,
                routing: configuration.routing(step: nil), samples: batch.indices)
            pass.checksValues = true
            let place = "rank \(communicator.rank) on \(communicator.hostName)"
            if let bad = images.first(where: { !$0.elements.allSatisfy(\.isFinite) }) {
                finding = "\(place): the images themselves are not finite (\(bad.shape))"
            } else {
                do {
                    _ = try network.forward(images, pass)
                    finding = "\(place): every layer's output is finite, yet the loss is not"
                } catch { finding = "\(place): \(error)" }
            }
        }
        let findings = try communicator.gather([UInt8](finding.utf8), to: 0)
        // Rank 0 tells all of it; each other rank, if it comes to speak, what happened on itself.
        let all = findings.map { String(decoding: $0, as: UTF8.self) }.filter { !$0.isEmpty }
        let text = all.isEmpty ? (finding.isEmpty ? "See rank 0's message" : finding) : all.joined(separator: "; ")
        return RunError.numerical("step \(step): the loss is not finite. \(text)")
    }
}
