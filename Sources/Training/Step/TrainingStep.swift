import Collectives
import Files
import NetworkAttacks
import Networks
import Tensors

/// What stays from step to step of a training run on one rank, and the order in which an update happens.
package final class TrainingStep {
    /// The network that is trained.
    package let network: Network
    /// How it moves its parameters.
    package let optimizer: any Optimizer
    /// Makes its passes.
    package let passes: PassFactory
    /// The moving average of the weights, if the run keeps one.
    package let average: WeightAverage?
    /// The scores that a run with `training.parameters: scores` learns.
    package let scores: FilterScores?
    /// What a step does with a batch.
    package private(set) var method: any TrainingMethod
    let settings: TrainingSettings
    let communicator: any Communicator
    let exchange: GradientExchange
    /// What a step that is to be skipped goes back to.
    private var before: StepSnapshot?

    /// Prepares to train a network from its present weights.
    package init(
        _ network: Network, _ settings: TrainingSettings, method: any TrainingMethod, communicator: any Communicator,
        workspace: Workspace
    ) {
        self.network = network
        self.settings = settings
        self.method = method
        self.communicator = communicator
        let scores = settings.parameters == .scores ? FilterScores(network, share: settings.filterShare) : nil
        self.scores = scores
        let optimizers = settings.groups.mapValues(\.optimizer)
        optimizer = (optimizers[.backbone]?.name ?? .sgd).optimizer(optimizers, network.parameters) {
            scores?.trains($0) ?? true
        }
        exchange = GradientExchange(
            network.parameters, shards: settings.shards, isOrdered: settings.isOrdered,
            bucketMegabytes: settings.bucketMegabytes, wire: settings.wire, feedsErrorBack: settings.feedsErrorBack,
            seed: settings.seed, communicator)
        passes = PassFactory(
            network, workspace: workspace, filters: FilterCache(capacityMegabytes: settings.filterCacheMegabytes),
            arithmetic: settings.arithmetic, normalization: settings.normalization,
            frozenGroups: Set(ParameterGroup.allCases).subtracting(settings.parameters.groups),
            routing: settings.routing,
            statistics: CommunicatorStatistics(communicator: communicator, isOrdered: settings.isOrdered))
        average = settings.weightAverage.map { WeightAverage(decay: $0, network.parameters) }
    }

    /// Takes global step `step`, counted from 0, on this rank's part of a batch; collective.
    ///
    /// - Parameters:
    ///   - routerBatch: What routers are updated by, where the method draws them batches of their own.
    ///   - wantsToStop: Whether this rank was asked to stop.
    /// - Returns: What it did. Where a loss, a router's score or a gradient is not finite, all ranks find out at the same place by
    ///   the step's own sums; under ``NonFinitePolicy/skip`` everything is then as it was before the step.
    /// - Throws: ``Files/RunError/numerical(_:)`` on all ranks in that case under ``NonFinitePolicy/stop``.
    package func run(
        _ batch: TrainingBatch, routerBatch: TrainingBatch? = nil, step: Int, wantsToStop: Bool
    ) throws -> StepOutcome {
        let context = StepContext(self, step: step, wantsToStop: wantsToStop)
        if settings.onNonFinite == .skip {
            if let before { before.take(self) } else { before = StepSnapshot(self) }
        }
        do {
            return context.outcome(try method.step(batch, routerBatch: routerBatch ?? batch, context))
        } catch let error as NonFiniteValue {
            if settings.onNonFinite == .stop { throw RunError.numerical(error.finding) }
            try exchange.abandon()
            if let before { method = before.restore(self) }
            return context.outcome([], finding: error.finding)
        }
    }

    /// Takes up what a checkpoint's method kept.
    package func restoreMethod(_ tensors: [String: NamedTensor], from path: String) throws {
        try method.restore(tensors, from: path)
    }

    /// What this rank has left out of the gradients that it sent, laid out like the parameters; nil where nothing is sent later.
    package var unsent: [Float]? {
        get { exchange.unsent }
        set { exchange.unsent = newValue }
    }

    /// How often the optimizer moved each parameter, as checkpoints hold it; nothing where its rule does not ask.
    package var optimizerCounts: [NamedTensor] {
        let updates = optimizer.updates
        if updates.isEmpty { return [] }
        return [NamedTensor(name: Self.countsName, shape: [updates.count], values: .int64(updates))]
    }

    /// Takes up how often a checkpoint's optimizer moved each parameter.
    /// - Throws: ``Files/RunError/checkpoint(_:)`` where the rule counts and the checkpoint does not tell.
    package func restoreOptimizerCounts(_ tensors: [String: NamedTensor], from path: String) throws {
        let count = optimizer.updates.count
        if count == 0 { return }
        guard case .int64(let updates) = tensors[Self.countsName]?.values, updates.count == count,
            updates.allSatisfy({ $0 >= 0 })
        else {
            throw RunError.checkpoint(
                "\(path): expected a tensor \(Self.countsName) of \(count) whole numbers from 0, found "
                    + (tensors[Self.countsName].map { "\($0.values)" } ?? "none"))
        }
        optimizer.updates = updates
    }

    private static let countsName = "optimizer.updates"
}
