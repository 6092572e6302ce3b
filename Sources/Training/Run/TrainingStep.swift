import Attacks
import Collectives
import Datasets
import Networks
import Tensors

/// One step of training on one rank: attack, forward, backward with the exchange under way, optimizer.
final class TrainingStep {
    /// What a step did, over the global batch and the same on every rank, beside rank-local seconds.
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

    let network: ResNet
    let configuration: RunConfiguration
    let optimizer: StochasticGradientDescent
    let filters: FilterCache
    private let communicator: any Communicator
    private let workspace: Workspace
    private let exchange: GradientExchange
    private let statistics: CommunicatorStatistics
    private let schedule: LearningRateSchedule
    private let attack: ProjectedGradientDescent?

    init(
        _ network: ResNet, _ configuration: RunConfiguration, communicator: any Communicator, workspace: Workspace,
        shards: Int, stepsPerEpoch: Int
    ) {
        self.network = network
        self.configuration = configuration
        self.communicator = communicator
        self.workspace = workspace
        let isOrdered = configuration.distributed.deterministicShards > 0
        optimizer = StochasticGradientDescent(configuration.training.optimizer, network.parameters)
        filters = FilterCache(capacityMegabytes: configuration.kernels.transformCacheMegabytes)
        exchange = GradientExchange(
            network.parameters, shards: shards, isOrdered: isOrdered,
            bucketMegabytes: configuration.distributed.bucketMegabytes, communicator)
        statistics = CommunicatorStatistics(communicator: communicator, isOrdered: isOrdered)
        schedule = LearningRateSchedule(configuration.training, stepsPerEpoch: stepsPerEpoch)
        attack = configuration.training.method == .pgd ? configuration.attack.makeAttack() : nil
    }

    /// Takes global step `step`, counted from 0, on this rank's part of a batch.
    func run(_ batch: PreparedBatch, step: Int, wantsToStop: Bool) throws -> Outcome {
        let started = ContinuousClock.now
        let images = try attacked(batch, step: step)
        let attackSeconds = (ContinuousClock.now - started) / .seconds(1)

        let record = PassRecord()
        let pass = Pass(
            parameters: network.parameters, workspace: workspace, filters: filters,
            arithmetic: configuration.kernelArithmetic, normalization: configuration.normalization,
            routing: configuration.routing(step: step), statistics: statistics, samples: batch.indices, record: record)
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
        _ = try network.backward(results.map(\.dLogits), tape, pass, into: exchange.gradients, wantsInput: false)
        let timing = try exchange.finish()
        let norm = gradientNorm()
        guard norm.isFinite else {
            throw RunError.numerical("step \(step): the norm of the gradient is \(norm), expected a finite number")
        }
        let rate = schedule.rate(atStep: step)
        optimizer.step(network.parameters, exchange.total, rate: rate, idle: idleExperts(record))
        return Outcome(
            lossSum: totals[0], correct: Int(totals[1]), routers: record.routers, gradientNorm: norm, rate: rate,
            isAskedToStop: totals[2] > 0, attackSeconds: attackSeconds, waitSeconds: timing.waited,
            communicationSeconds: timing.span)
    }

    private func attacked(_ batch: PreparedBatch, step: Int) throws -> [Tensor] {
        guard let attack else { return batch.images }
        let isFrozen = configuration.attack.batchNorm == .frozen
        let pass = Pass(
            parameters: network.parameters, workspace: workspace, filters: filters,
            arithmetic: configuration.kernelArithmetic,
            normalization: isFrozen ? .running : configuration.normalization,
            folds: isFrozen && configuration.kernelArithmetic == .fast,
            routing: configuration.routing(step: configuration.attack.routing == .noisy ? step : nil),
            statistics: statistics, samples: batch.indices)
        return try attack.perturb(
            batch.images, .crossEntropy(batch.labels), samples: batch.indices,
            against: FrozenTarget(network, pass), seed: configuration.training.seed, step: step)
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

    private func gradientNorm() -> Double {
        guard let gradient = exchange.total.baseAddress else { return 0 }
        var sum = 0.0
        for start in Swift.stride(from: 0, to: exchange.total.count, by: 4096) {
            // Short runs in Float, which vectorises, then Double.
            var part = SIMD16<Float>.zero
            let end = min(start + 4096, exchange.total.count)
            for index in Swift.stride(from: start, to: end, by: 16) {
                let values = UnsafeRawPointer(gradient + index).loadUnaligned(as: SIMD16<Float>.self)
                part += values * values
            }
            sum += Double(part.sum())
        }
        return sum.squareRoot()
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
