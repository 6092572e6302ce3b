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
    ///
    /// - Parameter attacked: x′ where an attack has made them already.
    func updateByTrades(
        _ batch: PreparedBatch, attacked: [Tensor]? = nil, step: Int, draw: Int = 0, groups: Set<ParameterGroup>,
        wantsToStop: Bool
    ) throws -> Outcome {
        let (images, seconds) = try timed { try attacked ?? divergingImages(batch, step: step, draw: draw) }
        let clean = try cleanForward(batch, step: step, draw: draw, wantsToStop: wantsToStop)
        return try updateByTrades(
            clean, images, batch, step: step, draw: draw + 1, groups: groups, attackSeconds: seconds)
    }

    /// The same from a clean pass that was made already and the images that an attack made.
    func updateByTrades(
        _ clean: CleanPass, _ images: [Tensor], _ batch: PreparedBatch, step: Int, draw: Int,
        groups: Set<ParameterGroup>, attackSeconds: Double
    ) throws -> Outcome {
        let attacked = try trainingForward(images, batch, step: step, draw: draw)
        let loss = tradesLoss(clean, attacked.logits, batch)
        let (totals, settled) = try settle(
            attacked.record, loss.attackedSums, images, batch, step: step, wantsToStop: false)
        exchange.begin(groups)
        _ = try network.backward(
            loss.dAttacked, attacked.tape, attacked.pass,
            into: GradientAccumulator(exchange.gradients, settled.balance, completes: false), wantsInput: false)
        _ = try network.backward(
            loss.dClean, clean.forward.tape, clean.forward.pass,
            into: GradientAccumulator(exchange.gradients, clean.settled.balance), wantsInput: false)
        let applied = try apply(groups, step: step, records: [clean.settled, settled])
        return Outcome(
            passes: [
                clean.outcome,
                PassOutcome(lossSum: totals[0], correct: Int(totals[1]), routers: settled.routers),
            ], gradientNorm: applied.norm, rate: applied.rate, isAskedToStop: clean.isAskedToStop,
            attackSeconds: attackSeconds, waitSeconds: applied.timing.waited,
            communicationSeconds: applied.timing.span)
    }

    /// A training pass over clean images, settled, and not yet carried back.
    struct CleanPass {
        let forward: ForwardPass
        let settled: SettledRecord
        /// The gradient of the mean cross entropy.
        let dLogits: [Tensor]
        let outcome: PassOutcome
        let isAskedToStop: Bool
    }

    func cleanForward(_ batch: PreparedBatch, step: Int, draw: Int, wantsToStop: Bool) throws -> CleanPass {
        let forward = try trainingForward(batch.images, batch, step: step, draw: draw)
        let results = zip(forward.logits, batch.labels).map {
            CrossEntropy.evaluate($0, $1, divisor: batch.globalSize)
        }
        let sums = results.indices.map { shard in
            [results[shard].losses.reduce(0, +), Double(correct(forward.logits[shard], batch.labels[shard]))]
        }
        let (totals, settled) = try settle(
            forward.record, sums, batch.images, batch, step: step, wantsToStop: wantsToStop)
        return CleanPass(
            forward: forward, settled: settled, dLogits: results.map(\.dLogits),
            outcome: PassOutcome(lossSum: totals[0], correct: Int(totals[1]), routers: settled.routers),
            isAskedToStop: totals[2] > 0)
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

    /// The gradients of both terms, and of each shard the divergence's part of the loss and the right predictions.
    func tradesLoss(
        _ clean: CleanPass, _ attacked: [Tensor], _ batch: PreparedBatch
    ) -> (dClean: [Tensor], dAttacked: [Tensor], attackedSums: [[Double]]) {
        let beta = configuration.training.beta
        var (dClean, dAttacked): ([Tensor], [Tensor]) = ([], [])
        var attackedSums: [[Double]] = []
        for shard in attacked.indices {
            let robust = Divergence.evaluate(
                clean.forward.logits[shard], attacked[shard], weight: beta / Double(batch.globalSize))
            ChannelOperations.add(clean.dLogits[shard], to: robust.dTarget)
            dClean.append(robust.dTarget)
            dAttacked.append(robust.dLogits)
            attackedSums.append([
                beta * robust.values.reduce(0, +), Double(correct(attacked[shard], batch.labels[shard])),
            ])
        }
        return (dClean, dAttacked, attackedSums)
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
