import Attacks
import Datasets
import Networks
import Tensors

extension TrainingStep {
    /// Takes one step of TRADES (Zhang et al., arXiv:1901.08573): CE(f(x), y) + beta · KL(f(x) ‖ f(x′)), both means over the
    /// global batch, gradients through both arguments of the divergence.
    ///
    /// x′ ascends the divergence from what the frozen network says of x. Clean and attacked images are training passes of
    /// their own, in that order, each with its own moments; the clean one serves both terms.
    func updateByTrades(
        _ batch: PreparedBatch, step: Int, draw: Int = 0, groups: Set<ParameterGroup>, wantsToStop: Bool
    ) throws -> Outcome {
        let (images, seconds) = try timed { try divergingImages(batch, step: step, draw: draw) }
        let clean = try trainingForward(batch.images, batch, step: step, draw: draw)
        let attacked = try trainingForward(images, batch, step: step, draw: draw + 1)
        let loss = tradesLoss(clean.logits, attacked.logits, batch)
        let cleanTotals = try settle(
            clean.record, loss.cleanSums, batch.images, batch, step: step, wantsToStop: wantsToStop)
        let totals = try settle(
            attacked.record, loss.attackedSums, images, batch, step: step, wantsToStop: false)
        exchange.begin(groups)
        let gradients = exchange.gradients
        _ = try network.backward(
            loss.dAttacked, attacked.tape, attacked.pass, into: Gradients(addingTo: gradients), wantsInput: false)
        _ = try network.backward(loss.dClean, clean.tape, clean.pass, into: gradients, wantsInput: false)
        let applied = try apply(groups, step: step, records: [clean.record, attacked.record])
        return Outcome(
            passes: [
                PassOutcome(
                    lossSum: cleanTotals[0], correct: Int(cleanTotals[1]), routers: clean.record.routers),
                PassOutcome(lossSum: totals[0], correct: Int(totals[1]), routers: attacked.record.routers),
            ], gradientNorm: applied.norm, rate: applied.rate, isAskedToStop: cleanTotals[2] > 0,
            attackSeconds: seconds, waitSeconds: applied.timing.waited, communicationSeconds: applied.timing.span)
    }

    /// A training pass that was made and not yet carried back.
    struct ForwardPass {
        let logits: [Tensor]
        let tape: Network.Tape
        let pass: Pass
        let record: PassRecord
    }

    func trainingForward(
        _ images: [Tensor], _ batch: PreparedBatch, step: Int, draw: Int, given: [String: GivenRoutes] = [:]
    ) throws -> ForwardPass {
        let record = PassRecord()
        var pass = trainingPass(batch, step: step, draw: draw, record)
        pass.given = given
        let (logits, tape) = try network.forward(images, pass)
        return ForwardPass(logits: logits, tape: tape, pass: pass, record: record)
    }

    /// Both terms and their gradients; sums are the loss and the right predictions of each shard.
    func tradesLoss(
        _ clean: [Tensor], _ attacked: [Tensor], _ batch: PreparedBatch
    ) -> (dClean: [Tensor], dAttacked: [Tensor], cleanSums: [[Double]], attackedSums: [[Double]]) {
        let beta = configuration.training.beta
        var (dClean, dAttacked): ([Tensor], [Tensor]) = ([], [])
        var (cleanSums, attackedSums): ([[Double]], [[Double]]) = ([], [])
        for shard in clean.indices {
            let labels = batch.labels[shard]
            let task = CrossEntropy.evaluate(clean[shard], labels, divisor: batch.globalSize)
            let robust = Divergence.evaluate(
                clean[shard], attacked[shard], weight: beta / Double(batch.globalSize))
            ChannelOperations.add(robust.dTarget, to: task.dLogits)
            dClean.append(task.dLogits)
            dAttacked.append(robust.dLogits)
            cleanSums.append([task.losses.reduce(0, +), Double(correct(clean[shard], labels))])
            attackedSums.append([beta * robust.values.reduce(0, +), Double(correct(attacked[shard], labels))])
        }
        return (dClean, dAttacked, cleanSums, attackedSums)
    }

    /// Images that ascend what `attack.objective` says, against the frozen network.
    ///
    /// - Parameters:
    ///   - draw: Tells the attacks of one step apart.
    ///   - scores: Probabilities of the image's router that its scores are driven away from, where the objective has a
    ///     router's part and these are not to be those of the frozen router.
    func divergingImages(
        _ batch: PreparedBatch, step: Int, draw: Int, scores: [[Float]]? = nil
    ) throws -> [Tensor] {
        guard let attack, let settings = configuration.trainingAttack else { return batch.images }
        var pass = frozenPass(batch)
        if settings.routing == .noisy { pass.routing = configuration.routing(step: step, draw: draw) }
        var objective = Objective.crossEntropy(batch.labels)
        var goal = AttackGoal()
        if settings.objective != .crossEntropy {
            objective = .target(batch.labels)
            let record = PassRecord()
            var clean = pass
            clean.record = record
            let logits = try network.forward(batch.images, clean).logits
            goal = AttackGoal(settings.objective, logits: logits, routers: record.routers, replacing: scores)
            if settings.routing == .clean { pass.given = record.givenRoutes }
        } else if settings.routing == .clean {
            pass.given = try network.routes(batch.images, pass)
        }
        return try attack.perturb(
            batch.images, objective, samples: batch.indices, against: AttackedNetwork(network, pass, goal: goal),
            seed: configuration.training.seed &+ UInt64(draw) << 40, step: step)
    }
}
