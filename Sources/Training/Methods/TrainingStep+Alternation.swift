import Datasets
import Files
import Networks
import Tensors

extension TrainingStep {
    /// Takes one step of AdvMoE (Zhang et al., arXiv:2308.10110): an update of routers and one of everything else, each
    /// against an attack of its own on the network as the other left it.
    ///
    /// - Returns: What the experts' update did, with the seconds of both.
    func alternate(
        _ batch: PreparedBatch, _ routerBatch: PreparedBatch, step: Int, wantsToStop: Bool
    ) throws -> Outcome {
        if configuration.training.routerObjective == .labelModulo {
            return try alternateByLabels(batch, routerBatch, step: step, wantsToStop: wantsToStop)
        }
        let (shared, sharedSeconds) = try timed {
            configuration.training.sharedAttack ? try divergingImages(batch, step: step, draw: 0) : nil
        }
        func routers() throws -> Outcome {
            try updateByTrades(
                routerBatch, attacked: shared, step: step, draw: Self.routerDraw, groups: [.router], wantsToStop: false)
        }
        func experts() throws -> Outcome {
            try updateByTrades(batch, attacked: shared, step: step, groups: [.backbone], wantsToStop: wantsToStop)
        }
        var outcome: Outcome
        if configuration.training.order == .routerFirst {
            let first = try routers()
            outcome = try experts().withSeconds(of: first)
        } else {
            outcome = try experts()
            outcome = outcome.withSeconds(of: try routers())
        }
        if shared != nil { outcome.attackSeconds += sharedSeconds }
        return outcome
    }

    /// The draws of the routers' half of a step.
    private static let routerDraw = 16

    /// The released code's step: routers learn the label modulo the experts, and to keep their scores under attack.
    ///
    /// Its clean passes of one batch by the same weights are one here; `statistics_updates: published` moves running
    /// statistics as often and in the same order as its repeated passes do.
    private func alternateByLabels(
        _ batch: PreparedBatch, _ routerBatch: PreparedBatch, step: Int, wantsToStop: Bool
    ) throws -> Outcome {
        if configuration.training.order == .routerFirst {
            let clean = try routerForward(routerBatch.images, routerBatch, step: step)
            let first = try updateRouter(clean, routerBatch, step: step)
            return try updateByTrades(batch, step: step, groups: [.backbone], wantsToStop: wantsToStop)
                .withSeconds(of: first)
        }
        let isPublished = configuration.training.statisticsUpdates == .published
        let clean = try cleanForward(batch, step: step, draw: 0, wantsToStop: wantsToStop)
        let settled = clean.settled
        let routing = try learned(clean.forward.tape.imageRouting)
        // The released code runs the router alone, then the model, then the model again behind the attack.
        if isPublished { settled.reapply(.router, network.parameters) }
        let (images, seconds) = try timed {
            try divergingImages(batch, step: step, draw: 0, scores: routing.probabilities)
        }
        if isPublished {
            settled.reapply(.router, network.parameters)
            settled.reapply(.backbone, network.parameters)
        }
        let outcome = try updateByTrades(
            clean, images, batch, step: step, draw: 1, groups: [.backbone], attackSeconds: seconds)
        guard configuration.training.sharedBatch else {
            let own = try routerForward(routerBatch.images, routerBatch, step: step)
            return outcome.withSeconds(of: try updateRouter(own, routerBatch, step: step))
        }
        return outcome.withSeconds(
            of: try updateRouter((routing, clean.forward.pass), batch, step: step) {
                guard isPublished else { return }
                // What the released code logs with the new experts: only its moments matter, the router's are the same.
                let again = try self.trainingForward(
                    batch.images, batch, step: step, draw: 0, given: ["router": .routes(routing.routes)])
                _ = try again.record.settle(
                    extra: batch.images.map { _ in [] }, self.statistics, self.network.parameters)
                settled.reapply(.router, self.network.parameters)
            })
    }

    private func learned(_ routing: ImageRouting?) throws -> ImageRouting {
        guard let routing, routing.isLearned else {
            throw RunError.unusable(
                "training.router_objective label-modulo needs a router on the image that decides: expected moe.scope image "
                    + "and moe.routes learned, found \(configuration.moe.scope.rawValue) and "
                    + configuration.moe.routes.written.flow)
        }
        return routing
    }

    /// A training pass of the image's router alone.
    private func routerForward(
        _ images: [Tensor], _ batch: PreparedBatch, step: Int
    ) throws -> (routing: ImageRouting, pass: Pass) {
        let record = PassRecord()
        let pass = trainingPass(batch, step: step, draw: Self.routerDraw, record)
        let routing = try learned(try network.route(images, pass))
        _ = try record.settle(extra: images.map { _ in [] }, statistics, network.parameters)
        return (routing, pass)
    }

    /// Updates the image's router by alpha · CE(scores, y mod N) + beta · KL(scores ‖ attacked scores).
    ///
    /// - Parameters:
    ///   - clean: Its pass over the clean images.
    ///   - beforeAttacked: What happens between the attack and the router's pass over its images.
    private func updateRouter(
        _ clean: (routing: ImageRouting, pass: Pass), _ batch: PreparedBatch, step: Int,
        beforeAttacked: () throws -> Void = {}
    ) throws -> Outcome {
        let scores = clean.routing.probabilities
        let (images, seconds) = try timed {
            try divergingImages(batch, step: step, draw: Self.routerDraw, scores: scores)
        }
        try beforeAttacked()
        let attacked = try routerForward(images, batch, step: step)
        let training = configuration.training
        let experts = configuration.moe.experts
        let size = Double(batch.globalSize)
        var (dClean, dAttacked): ([Tensor], [Tensor]) = ([], [])
        for shard in images.indices {
            // Log-probabilities are logits too.
            let logits = tensor(clean.routing.logProbabilities[shard], experts)
            let labels = batch.labels[shard].map { $0 % Int32(experts) }
            let task = CrossEntropy.evaluate(logits, labels, divisor: 1)
            let robust = Divergence.evaluate(
                logits, tensor(attacked.routing.logProbabilities[shard], experts), weight: training.beta / size)
            for place in 0..<task.dLogits.count {
                task.dLogits.pointer[place] =
                    Float(training.alpha / size) * task.dLogits.pointer[place] + robust.dTarget.pointer[place]
            }
            dClean.append(task.dLogits)
            dAttacked.append(robust.dLogits)
        }
        exchange.begin([.router])
        try network.backward(
            router: dAttacked, attacked.routing, attacked.pass,
            into: GradientAccumulator(exchange.gradients, .none, completes: false))
        try network.backward(
            router: dClean, clean.routing, clean.pass, into: GradientAccumulator(exchange.gradients, .none))
        let applied = try apply([.router], step: step, records: [])
        return Outcome(
            passes: [], gradientNorm: applied.norm, rate: applied.rate, isAskedToStop: false, attackSeconds: seconds,
            waitSeconds: applied.timing.waited, communicationSeconds: applied.timing.span)
    }

    private func tensor(_ values: [Float], _ channels: Int) -> Tensor {
        let result = Tensor(workspace, images: values.count / channels, channels: channels)
        for (place, value) in values.enumerated() { result.pointer[place] = value }
        return result
    }
}

extension TrainingStep.Outcome {
    /// The same with the seconds of another update of the same step added.
    fileprivate func withSeconds(of other: Self) -> Self {
        var result = self
        result.attackSeconds += other.attackSeconds
        result.waitSeconds += other.waitSeconds
        result.communicationSeconds += other.communicationSeconds
        return result
    }
}
