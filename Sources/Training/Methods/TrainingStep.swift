import Attacks
import Collectives
import Configuration
import Datasets
import Files
import Networks
import Tensors

/// One step of training on one rank: attacks, and updates on what they made.
///
/// Methods that minimise the loss of one pass are here; parts of a batch, TRADES and AdvMoE are extensions.
package final class TrainingStep {
    /// What a step did with one kind of inputs, over the global batch and the same on every rank.
    package struct PassOutcome {
        package var lossSum: Double
        package var correct: Int
        package var routers: [SettledRouter]
    }

    /// What an update did, over the global batch and the same on every rank, beside rank-local seconds.
    package struct Outcome {
        /// In the order of ``RunConfiguration/trainingInputs``.
        package var passes: [PassOutcome]
        package var gradientNorm: Double
        package var rate: Double
        /// Whether any rank was asked to stop.
        package var isAskedToStop: Bool
        package var attackSeconds = 0.0
        package var waitSeconds: Double
        package var communicationSeconds: Double
    }

    package let network: Network
    package let configuration: RunConfiguration
    package let optimizer: StochasticGradientDescent
    package let filters: FilterCache
    package let communicator: any Communicator
    package let workspace: Workspace
    package let exchange: GradientExchange
    package let statistics: CommunicatorStatistics
    package var attack: (any Attack)?
    private let schedule: LearningRateSchedule
    private let routerSchedule: LearningRateSchedule
    /// The perturbation of `free`, and nil with every other method.
    package let noise: FreeNoise?
    /// The moving average of the weights, if the run keeps one.
    package let average: WeightAverage?
    /// The scores that a run with `training.parameters: scores` learns.
    package let scores: FilterScores?

    package init(
        _ network: Network, _ configuration: RunConfiguration, communicator: any Communicator, workspace: Workspace,
        shards: Int, stepsPerEpoch: Int, traits: DatasetTraits
    ) {
        self.network = network
        self.configuration = configuration
        self.communicator = communicator
        self.workspace = workspace
        let training = configuration.training
        let isOrdered = configuration.distributed.deterministicShards > 0
        let routerOptimizer = training.method == .advmoe ? training.routerOptimizer : training.optimizer
        let scores =
            training.parameters == .scores ? FilterScores(network, share: training.filterShare) : nil
        self.scores = scores
        optimizer = StochasticGradientDescent(
            training.optimizer, router: routerOptimizer, network.parameters
        ) { scores?.trains($0) ?? true }
        filters = FilterCache(capacityMegabytes: configuration.kernels.transformCacheMegabytes)
        exchange = GradientExchange(
            network.parameters, shards: shards, isOrdered: isOrdered,
            bucketMegabytes: configuration.distributed.bucketMegabytes, communicator)
        statistics = CommunicatorStatistics(communicator: communicator, isOrdered: isOrdered)
        schedule = LearningRateSchedule(training, stepsPerEpoch: stepsPerEpoch)
        routerSchedule =
            training.method == .advmoe
            ? LearningRateSchedule(
                training.routerSchedule, rate: routerOptimizer.rate, epochs: training.epochs,
                stepsPerEpoch: stepsPerEpoch)
            : schedule
        attack = configuration.trainingAttack?.makeAttack()
        noise =
            training.method == .free
            ? FreeNoise(configuration.attack, globalBatch: training.globalBatch, traits, shards: shards, communicator)
            : nil
        average = training.weightAverage.map { WeightAverage(decay: $0, network.parameters) }
    }

    /// Takes global step `step`, counted from 0, on this rank's part of a batch.
    ///
    /// - Parameter routerBatch: What routers are updated by, where that is another batch.
    /// - Returns: What each update of the step did: one, but for methods that replay a batch.
    package func run(
        _ batch: PreparedBatch, routerBatch: PreparedBatch? = nil, step: Int, wantsToStop: Bool
    ) throws -> [Outcome] {
        switch configuration.training.method {
        case .standard, .pgd, .fast:
            if let size = configuration.training.microBatch {
                return [try updateByParts(batch, size: size, step: step, wantsToStop: wantsToStop)]
            }
            let (images, seconds) = try timed { try attacked(batch, step: step) }
            var outcome = try updateByLoss(images, batch, step: step, wantsToStop: wantsToStop).outcome
            outcome.attackSeconds = seconds
            return [outcome]
        case .free:
            guard let noise else { return [] }
            let outcomes = try (0..<configuration.training.replays).map { replay in
                let (outcome, gradient) = try updateByLoss(
                    noise.applied(to: batch), batch, step: step, replay: replay, wantsToStop: wantsToStop,
                    wantsInput: true)
                noise.ascend(gradient, batch)
                return outcome
            }
            try noise.share(batch)
            return outcomes
        case .trades:
            let outcome = try updateByTrades(batch, step: step, groups: trainedGroups, wantsToStop: wantsToStop)
            average?.update(network.parameters)
            return [outcome]
        case .advmoe:
            let outcome = try alternate(batch, routerBatch ?? batch, step: step, wantsToStop: wantsToStop)
            // Once for both halves: each moves its own parameters, and the decay is that of a step.
            average?.update(network.parameters)
            return [outcome]
        }
    }

    /// The parameters that the method trains.
    package var trainedGroups: Set<ParameterGroup> {
        switch configuration.training.parameters {
        case .all: [.backbone, .router]
        case .router: [.router]
        case .experts, .scores: [.backbone]
        }
    }

    /// Forward, backward with the exchange under way, optimizer.
    /// - Returns: Beside the outcome the gradient of the images, if wanted.
    private func updateByLoss(
        _ images: [Tensor], _ batch: PreparedBatch, step: Int, replay: Int = 0, wantsToStop: Bool,
        wantsInput: Bool = false
    ) throws -> (outcome: Outcome, gradient: [Tensor]) {
        let record = PassRecord()
        let pass = trainingPass(batch, step: step, draw: replay, record)
        let (logits, tape) = try network.forward(images, pass)
        let results = zip(logits, batch.labels).map { CrossEntropy.evaluate($0, $1, divisor: batch.globalSize) }
        let sums = results.indices.map { shard in
            [results[shard].losses.reduce(0, +), Double(correct(logits[shard], batch.labels[shard]))]
        }
        let (totals, settled) = try settle(record, sums, images, batch, step: step, wantsToStop: wantsToStop)
        exchange.begin(trainedGroups)
        let gradient = try network.backward(
            results.map(\.dLogits), tape, pass, into: GradientAccumulator(exchange.gradients, settled.balance),
            wantsInput: wantsInput)
        let applied = try apply(trainedGroups, step: step, records: [settled])
        average?.update(network.parameters)
        return (
            Outcome(
                passes: [PassOutcome(lossSum: totals[0], correct: Int(totals[1]), routers: settled.routers)],
                gradientNorm: applied.norm, rate: applied.rate, isAskedToStop: totals[2] > 0,
                waitSeconds: applied.timing.waited, communicationSeconds: applied.timing.span),
            gradient
        )
    }

    /// A pass that trains on a batch: batch moments, noise and capacity, everything recorded.
    package func trainingPass(_ batch: PreparedBatch, step: Int, draw: Int, _ record: PassRecord) -> Pass {
        Pass(
            parameters: network.parameters, workspace: workspace, filters: filters,
            arithmetic: configuration.kernelArithmetic, normalization: configuration.normalization,
            routing: configuration.routing(step: step, draw: draw), statistics: statistics, samples: batch.indices,
            record: record)
    }

    /// A pass of the network as it is used: running statistics, no noise.
    package func frozenPass(_ batch: PreparedBatch) -> Pass {
        Pass(
            parameters: network.parameters, workspace: workspace, filters: filters,
            arithmetic: configuration.kernelArithmetic, normalization: .running,
            folds: configuration.kernelArithmetic == .fast, routing: configuration.routing(step: nil),
            statistics: statistics, samples: batch.indices)
    }

    /// Adds up a pass's sums over the global batch, the first of each shard being its loss.
    /// - Parameter sums: One equally long list a shard.
    /// - Returns: The totals, last how many shards were asked to stop, and the settled record.
    package func settle(
        _ record: PassRecord, _ sums: [[Double]], _ images: [Tensor], _ batch: PreparedBatch, step: Int,
        wantsToStop: Bool
    ) throws -> (totals: [Double], settled: SettledRecord) {
        var lists = sums.map { $0 + [0] }
        lists[0][lists[0].count - 1] = wantsToStop ? 1 : 0
        let (totals, settled) = try record.settle(extra: lists, statistics, network.parameters)
        guard totals[0].isFinite else {
            throw try diagnose(images, batch, step: step, isOwn: !sums.allSatisfy { $0[0].isFinite })
        }
        return (totals, settled)
    }

    /// Ends the exchange and moves the parameters of some groups.
    package func apply(
        _ groups: Set<ParameterGroup>, step: Int, records: [SettledRecord]
    ) throws -> (norm: Double, rate: Double, timing: (waited: Double, span: Double)) {
        let timing = try exchange.finish()
        scores?.carryBack(exchange.total, network.parameters)
        let norm = GradientNorm.value(exchange.total)
        guard norm.isFinite else {
            throw RunError.numerical("step \(step): the norm of the gradient is \(norm), expected a finite number")
        }
        let isRouters = groups == [.router]
        let training = configuration.training
        let alternates = isRouters && training.method == .advmoe
        if let limit = (alternates ? training.routerOptimizer : training.optimizer).clipNorm {
            GradientNorm.clip(exchange.total, norm: norm, to: limit)
        }
        let rate = (isRouters ? routerSchedule : schedule).rate(atStep: step)
        func move() {
            optimizer.step(
                network.parameters, exchange.total, rate: rate, idle: idleExperts(records), groups: groups)
        }
        if let scores { scores.update(network.parameters, move) } else { move() }
        return (norm, rate, timing)
    }

    package func timed<Result>(_ body: () throws -> Result) rethrows -> (result: Result, seconds: Double) {
        let start = ContinuousClock.now
        let result = try body()
        return (result, (ContinuousClock.now - start) / .seconds(1))
    }

    package func correct(_ logits: Tensor, _ labels: [Int32]) -> Int {
        zip(CrossEntropy.predictions(logits), labels).count { $0 == $1 }
    }

    package func attacked(_ batch: PreparedBatch, step: Int) throws -> [Tensor] {
        guard let attack else { return batch.images }
        let settings = configuration.attack
        let isFrozen = settings.batchNorm == .frozen
        var pass = frozenPass(batch)
        if !isFrozen {
            pass.normalization = configuration.normalization
            pass.folds = false
        }
        if settings.routing == .noisy { pass.routing = configuration.routing(step: step) }
        if settings.routing == .clean { pass.given = try network.routes(batch.images, pass) }
        let target = AttackedNetwork(network, pass, updatesStatistics: settings.batchNorm == .batchUpdating)
        return try attack.perturb(
            batch.images, .crossEntropy(batch.labels), samples: batch.indices, against: target,
            seed: configuration.training.seed, step: step)
    }

    /// Experts without an image of the global batch in any of the passes.
    private func idleExperts(_ records: [SettledRecord]) -> Set<ExpertOwner> {
        var seen: Set<ExpertOwner> = []
        var all: Set<ExpertOwner> = []
        for router in records.flatMap(\.routers) {
            for (expert, count) in router.global.chosen.enumerated() {
                let owner = ExpertOwner(layer: router.layer, expert: expert)
                all.insert(owner)
                if count > 0 { seen.insert(owner) }
            }
        }
        return all.subtracting(seen)
    }
}
