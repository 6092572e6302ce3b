import Attacks
import Networks
import Tensors

/// AdvMoE (Zhang et al., arXiv:2308.10110): in each step an update of routers and one of everything else, each against an
/// attack of its own on the network as the other left it.
package struct AdvMoE: TrainingMethod {
    /// Which half of a step comes first.
    package enum Order: String, CaseIterable, Sendable {
        case routerFirst = "router-first"
        case expertsFirst = "experts-first"
    }

    /// What routers minimize.
    package enum RouterObjective: String, CaseIterable, Sendable {
        /// What experts do: the loss of TRADES.
        case trades
        /// `alpha` times the cross entropy of the router's choice with the label modulo the experts, plus `beta` times the
        /// divergence of its scores under attack.
        case labelModulo = "label-modulo"
    }

    /// How often a step moves running statistics.
    package enum StatisticsUpdates: String, CaseIterable, Sendable {
        /// Once for each batch that a training pass sees.
        case once
        /// As often as the published code does, which computes some passes twice.
        case published
    }

    /// Settings of the method, beside the routers' optimizer and schedule.
    package struct Settings: Sendable, Equatable {
        /// Which half of a step comes first.
        package var order = Order.routerFirst
        /// What routers minimize.
        package var routerObjective = RouterObjective.trades
        /// The weight of divergences, at least 0.
        package var beta = 6.0
        /// The weight of the cross entropy of `label-modulo`, at least 0.
        package var alpha = 6.0
        /// Whether routers and experts are updated by the same batch; otherwise routers draw their own.
        package var sharedBatch = false
        /// Whether one attack, before both halves, serves them.
        package var sharedAttack = false
        /// How often a step moves running statistics.
        package var statisticsUpdates = StatisticsUpdates.once

        /// Makes settings with every default.
        package init() {}
    }

    package let inputs: [String]
    private let settings: Settings
    private let experts: Int

    /// Makes the method.
    /// - Parameters:
    ///   - experts: Experts of a layer.
    ///   - attacked: What attacked images are called in tables.
    package init(_ settings: Settings, experts: Int, attacked: String) {
        inputs = ["clean", attacked]
        self.settings = settings
        self.experts = experts
    }

    package var drawsRouterBatch: Bool { !settings.sharedBatch }

    /// The draws of the routers' half of a step.
    private static let routerDraw = 16

    package func step(
        _ batch: TrainingBatch, routerBatch: TrainingBatch, _ context: StepContext
    ) throws -> [UpdateOutcome] {
        let isRouterFirst = settings.order == .routerFirst
        guard settings.routerObjective == .trades else {
            return [
                isRouterFirst
                    ? try routerByLabelsFirst(batch, routerBatch, context)
                    : try expertsFirst(batch, routerBatch, context)
            ]
        }
        let shared = settings.sharedAttack ? try context.attack(batch) : nil
        func routers() throws {
            _ = try update(routerBatch, [.router], attacked: shared, draw: Self.routerDraw, completes: false, context)
        }
        if isRouterFirst { try routers() }
        // Once for both halves: each moves its own parameters, and the average's decay is that of a step.
        let outcome = try update(batch, [.backbone], attacked: shared, completes: isRouterFirst, context)
        if !isRouterFirst {
            try routers()
            context.averageWeights()
        }
        return [outcome]
    }

    /// An update by the loss of TRADES.
    private func update(
        _ batch: TrainingBatch, _ groups: Set<ParameterGroup>, attacked: [Tensor]? = nil, draw: Int = 0,
        completes: Bool, _ context: StepContext
    ) throws -> UpdateOutcome {
        try context.update(batch, groups: groups, completes: completes) { batch in
            let images = try attacked ?? context.attack(batch, draw: draw)
            let clean = try context.crossEntropyPass(batch.images, of: batch, draw: draw)
            return try Trades.passes(clean, images, of: batch, beta: settings.beta, draw: draw + 1, context)
        }.outcome
    }
}

/// The released code's step: routers learn the label modulo the experts, and to keep their scores under attack.
///
/// Its clean passes of one batch by the same weights are one here; `statistics_updates: published` moves running statistics
/// as often and in the same order as its repeated passes do.
extension AdvMoE {
    private func routerByLabelsFirst(
        _ batch: TrainingBatch, _ routerBatch: TrainingBatch, _ context: StepContext
    ) throws -> UpdateOutcome {
        let clean = try context.routerPass(routerBatch.images, of: routerBatch, draw: Self.routerDraw)
        try updateRouter(clean, routerBatch, context)
        return try update(batch, [.backbone], completes: true, context)
    }

    private func expertsFirst(
        _ batch: TrainingBatch, _ routerBatch: TrainingBatch, _ context: StepContext
    ) throws -> UpdateOutcome {
        let isPublished = settings.statisticsUpdates == .published
        let clean = try context.crossEntropyPass(batch.images, of: batch)
        let routing = try context.learned(clean.tape.imageRouting)
        // The released code runs the router alone, then the model, then the model again behind the attack.
        if isPublished { context.repeatStatistics(of: clean, .router) }
        let images = try context.attack(batch, routerProbabilities: routing.probabilities)
        if isPublished {
            context.repeatStatistics(of: clean, .router)
            context.repeatStatistics(of: clean, .backbone)
        }
        let outcome = try context.update(batch, groups: [.backbone], completes: false) { batch in
            try Trades.passes(clean, images, of: batch, beta: settings.beta, draw: 1, context)
        }.outcome
        if settings.sharedBatch {
            try updateRouter(RouterPass(routing: routing, pass: clean.pass, balance: clean.balance), batch, context) {
                guard isPublished else { return }
                // What the released code logs with the new experts: only its moments matter, the router's are the same.
                _ = try context.pass(batch.images, of: batch, given: ["router": .routes(routing.routes)]) { _, logits in
                    (0, logits)
                }
                context.repeatStatistics(of: clean, .router)
            }
        } else {
            let own = try context.routerPass(routerBatch.images, of: routerBatch, draw: Self.routerDraw)
            try updateRouter(own, routerBatch, context)
        }
        context.averageWeights()
        return outcome
    }

    /// Updates the image's router by alpha · CE(scores, y mod N) + beta · KL(scores ‖ attacked scores).
    ///
    /// - Parameters:
    ///   - clean: Its pass over the clean images.
    ///   - beforeAttacked: What happens between the attack and the router's pass over its images.
    private func updateRouter(
        _ clean: RouterPass, _ batch: TrainingBatch, _ context: StepContext, beforeAttacked: () throws -> Void = {}
    ) throws {
        let images = try context.attack(
            batch, draw: Self.routerDraw, routerProbabilities: clean.routing.probabilities)
        try beforeAttacked()
        var clean = clean
        var attacked = try context.routerPass(images, of: batch, draw: Self.routerDraw)
        let size = Double(batch.globalSize)
        for shard in images.indices {
            // Log-probabilities are logits too.
            let logits = tensor(clean.routing.logProbabilities[shard], context)
            let labels = batch.labels[shard].map { $0 % Int32(experts) }
            let task = CrossEntropy.evaluate(logits, labels, divisor: 1)
            let robust = Divergence.evaluate(
                logits, tensor(attacked.routing.logProbabilities[shard], context), weight: settings.beta / size)
            for index in 0..<task.dLogits.count {
                task.dLogits.pointer[index] =
                    Float(settings.alpha / size) * task.dLogits.pointer[index] + robust.dTarget.pointer[index]
            }
            clean.dLogits.append(task.dLogits)
            attacked.dLogits.append(robust.dLogits)
        }
        try context.updateRouter([clean, attacked])
    }

    private func tensor(_ values: [Float], _ context: StepContext) -> Tensor {
        let result = Tensor(context.workspace, images: values.count / experts, channels: experts)
        for (index, value) in values.enumerated() { result.pointer[index] = value }
        return result
    }
}
