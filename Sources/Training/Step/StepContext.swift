import Attacks
import Files
import Networks
import Tensors

/// What a training method does a step with: adversarial images, training passes, updates.
///
/// It settles the statistics of every pass over the global batch, exchanges gradients, clips them, moves weights and their
/// average, looks for values that are not finite, runs a batch in parts, and counts seconds: here alone, in one order.
/// One is made for each step; all of it is collective.
package final class StepContext {
    private let owner: TrainingStep
    /// The global step, counted from 0.
    package let step: Int
    private let wantsToStop: Bool
    private var isAskedToStop = false
    private var attackSeconds = 0.0
    private var waitSeconds = 0.0
    private var communicationSeconds = 0.0
    private var backwardSeconds = 0.0
    private var wire = WireTotals()
    /// Images of the global batch while it is run in parts, whose passes are carried back before they are settled.
    private var imagesInParts: Int?

    init(_ owner: TrainingStep, step: Int, wantsToStop: Bool) {
        self.owner = owner
        self.step = step
        self.wantsToStop = wantsToStop
    }

    /// The network.
    package var network: Network { owner.network }
    /// Memory and threads.
    package var workspace: Workspace { owner.passes.workspace }

    func outcome(_ updates: [UpdateOutcome], finding: String? = nil) -> StepOutcome {
        StepOutcome(
            updates: updates, finding: finding, isAskedToStop: isAskedToStop, attackSeconds: attackSeconds,
            waitSeconds: waitSeconds, communicationSeconds: communicationSeconds, backwardSeconds: backwardSeconds,
            wire: wire)
    }
}

extension StepContext {
    /// Returns adversarial images by the run's attack, against the network as it is; the images themselves without one.
    ///
    /// - Parameters:
    ///   - draw: Tells the attacks of one step apart.
    ///   - routerProbabilities: See ``NetworkAttack/perturb(_:_:draw:routerProbabilities:)``.
    func attack(
        _ batch: TrainingBatch, draw: Int = 0, routerProbabilities: [[Float]]? = nil
    ) throws -> [Tensor] {
        guard let attack = owner.settings.attack else { return batch.images }
        let start = ContinuousClock.now
        defer { attackSeconds += (ContinuousClock.now - start) / .seconds(1) }
        var passes = owner.passes
        passes.arithmetic = owner.settings.attackArithmetic
        var pass = 0
        passes.progress = { [owner, step] in
            pass += 1
            owner.communicator.note("step \(step), attack, pass \(pass)")
        }
        let attacked = AttackBatch(
            images: batch.images, labels: batch.labels, samples: batch.samples, seed: owner.settings.seed, step: step)
        do {
            return try attack.perturb(attacked, passes, draw: draw, routerProbabilities: routerProbabilities)
        } catch is AttackError where !batch.isFinite {
            // No image is near one that is no image. The others do not know yet: the pass that follows tells all ranks.
            return batch.images
        }
    }

    /// Makes a training pass over images, and settles its statistics over the global batch.
    ///
    /// - Parameters:
    ///   - batch: The batch that the images are of.
    ///   - draw: Tells the noise of the passes of one step apart.
    ///   - given: Layers, by path, whose routes are given.
    ///   - loss: Returns, for the logits of a shard, the sum over its images of what they add to the loss, and the gradient
    ///     of that sum over the global batch's size.
    func pass(
        _ images: [Tensor], of batch: TrainingBatch, draw: Int = 0, given: [String: GivenRoutes] = [:],
        loss: (_ shard: Int, _ logits: Tensor) -> (sum: Double, dLogits: Tensor)
    ) throws -> TrainingPass {
        owner.communicator.note("step \(step), forward")
        let record = PassRecord()
        var pass = owner.passes.training(samples: batch.samples, step: step, draw: draw, record: record)
        pass.given.merge(given) { _, given in given }
        let (logits, tape) = try network.forward(images, pass)
        let results = logits.enumerated().map { shard, logits in loss(shard, logits) }
        let sums = results.enumerated().map { shard, result in
            PassTotals(
                loss: result.sum,
                correct: zip(CrossEntropy.predictions(logits[shard]), batch.labels[shard]).count { $0 == $1 })
        }
        func made(
            _ balance: BalanceTerms, _ settled: (record: SettledRecord, outcome: PassOutcome)?
        ) -> TrainingPass {
            TrainingPass(
                logits: logits, dLogits: results.map(\.dLogits), tape: tape, pass: pass, record: record, sums: sums,
                balance: balance, settled: settled)
        }
        if let imagesInParts { return made(record.localTerms(globalImages: imagesInParts), nil) }
        let settled = try settle(record, sums, images, batch)
        return made(settled.record.balance, settled)
    }

    /// A training pass whose loss is the mean cross entropy with the labels, times a weight.
    func crossEntropyPass(
        _ images: [Tensor], of batch: TrainingBatch, draw: Int = 0, weight: Double = 1
    ) throws -> TrainingPass {
        try pass(images, of: batch, draw: draw) { shard, logits in
            let result = CrossEntropy.evaluate(
                logits, batch.labels[shard], divisor: batch.globalSize, weight: weight)
            return (result.losses.reduce(0, +), result.dLogits)
        }
    }

    /// Makes a training pass of the image's router alone, and settles its statistics.
    /// - Throws: ``RunError/unusable(_:)`` where no router on the image decides.
    func routerPass(_ images: [Tensor], of batch: TrainingBatch, draw: Int) throws -> RouterPass {
        let record = PassRecord()
        let pass = owner.passes.training(samples: batch.samples, step: step, draw: draw, record: record)
        let routing = try learned(try network.route(images, pass))
        let (_, settled) = try record.settle(extra: images.map { _ in [] }, pass.statistics, network.parameters)
        return RouterPass(routing: routing, pass: pass, balance: settled.balance)
    }

    /// What the image's router did, if it decides.
    func learned(_ routing: ImageRouting?) throws -> ImageRouting {
        guard let routing, routing.isLearned else {
            throw RunError.unusable(
                "the training method updates a router on the image by a loss of its own; expected a learned router with "
                    + "moe.scope image and moe.routes learned, found none")
        }
        return routing
    }

    /// Moves the running statistics of a group once more by a pass, as another one over the same batch with the same weights
    /// would.
    func repeatStatistics(of pass: TrainingPass, _ group: ParameterGroup) {
        pass.settled?.record.reapply(group, network.parameters)
    }

    /// Adds up a pass's totals and statistics over the global batch.
    private func settle(
        _ record: PassRecord, _ sums: [PassTotals], _ images: [Tensor], _ batch: TrainingBatch
    ) throws -> (record: SettledRecord, outcome: PassOutcome) {
        var sums = sums
        if wantsToStop { sums[0].stopRequests = 1 }
        let (list, settled) = try record.settle(
            extra: sums.map(\.list), owner.passes.statistics, network.parameters)
        if list[PassTotals.stopRequestsPlace] > 0 { isAskedToStop = true }
        // The loss need not feel a score that is no number: its image goes to some expert all the same.
        let doubtful = [
            ("the loss", list[0].isFinite), ("a router's score", settled.routers.allSatisfy(\.isFinite)),
            ("what a batch norm saw", settled.hasFiniteMoments),
        ].first { !$0.1 }
        if let (what, _) = doubtful {
            let isOwn = !sums.allSatisfy(\.loss.isFinite) || !record.isFinite
            throw try owner.diagnose(what, images, batch, step: step, isOwn: isOwn)
        }
        let totals = PassTotals(list: list)
        let outcome = PassOutcome(
            lossSum: totals.loss, correct: totals.correct,
            balanceLoss: settled.routers.reduce(0) { $0 + $1.balanceLoss },
            layers: settled.routers.map { ExpertUsage(layer: $0.layer, sums: $0.global) })
        return (settled, outcome)
    }
}

extension StepContext {
    /// Moves parameters by the gradient of a batch's loss.
    ///
    /// Where the run asks for parts of a batch, `passes` is called for one after the other, each carried back before the
    /// next, so that memory grows with the part: each is normalized by its own moments; losses and gradients are those of the
    /// global batch, and running statistics see its moments, as ever.
    ///
    /// - Parameters:
    ///   - groups: What moves; nil means all that the run trains.
    ///   - wantsInput: Whether the gradient of the images of the first pass is wanted.
    ///   - completes: Whether the step leaves the weights so: then they enter their average.
    ///   - passes: Makes the passes of the batch, or of a part of it, in the order of ``TrainingMethod/inputs``; they are
    ///     carried back from the last to the first.
    func update(
        _ batch: TrainingBatch, groups: Set<ParameterGroup>? = nil, wantsInput: Bool = false, completes: Bool = true,
        passes: (TrainingBatch) throws -> [TrainingPass]
    ) throws -> (outcome: UpdateOutcome, inputGradient: [Tensor]) {
        let groups = groups ?? owner.settings.parameters.groups
        let settled: [(record: SettledRecord, outcome: PassOutcome)]
        var gradient: [Tensor] = []
        if let size = owner.settings.microBatch {
            settled = try carryBackInParts(batch, of: size, groups, passes)
        } else {
            let made = try passes(batch)
            owner.exchange.begin(groups, step: step)
            gradient = try carryBack(made, completes: true, wantsInput: wantsInput)
            settled = made.compactMap(\.settled)
        }
        let (norm, rate) = try apply(groups, records: settled.map(\.record))
        if completes { averageWeights() }
        return (UpdateOutcome(passes: settled.map(\.outcome), gradientNorm: norm, rate: rate), gradient)
    }

    /// Lets the weights enter their average, if the run keeps one: once a step that moved them in several updates.
    func averageWeights() { owner.average?.update(network.parameters) }

    /// Moves the image's router by passes of its own, carried back from the last to the first; the weights enter no average.
    func updateRouter(_ passes: [RouterPass]) throws {
        let exchange = owner.exchange
        exchange.begin([.router], step: step)
        let start = ContinuousClock.now
        for (index, made) in passes.enumerated().reversed() {
            let isLast = index == 0
            try network.backward(
                router: made.dLogits, made.routing, made.pass,
                into: GradientAccumulator(exchange.gradients, made.balance, completes: isLast))
        }
        backwardSeconds += (ContinuousClock.now - start) / .seconds(1)
        _ = try apply([.router], records: [])
    }

    /// Adds the gradients of passes, from the last to the first, whose own complete the arena if wanted.
    private func carryBack(_ passes: [TrainingPass], completes: Bool, wantsInput: Bool) throws -> [Tensor] {
        owner.communicator.note("step \(step), backward")
        let start = ContinuousClock.now
        defer { backwardSeconds += (ContinuousClock.now - start) / .seconds(1) }
        let gradients = owner.exchange.gradients
        var input: [Tensor] = []
        for (index, made) in passes.enumerated().reversed() {
            let isLast = completes && index == 0
            input = try network.backward(
                made.dLogits, made.tape, made.pass,
                into: GradientAccumulator(gradients, made.balance, completes: isLast), wantsInput: wantsInput && isLast)
        }
        return input
    }

    private func carryBackInParts(
        _ batch: TrainingBatch, of size: Int, _ groups: Set<ParameterGroup>,
        _ passes: (TrainingBatch) throws -> [TrainingPass]
    ) throws -> [(record: SettledRecord, outcome: PassOutcome)] {
        imagesInParts = batch.globalSize
        defer { imagesInParts = nil }
        let parts = batch.parts(of: size)
        var made: [(records: [PassRecord], sums: [[PassTotals]])] = []
        owner.exchange.begin(groups, step: step)
        for (index, part) in parts.enumerated() {
            let ofPart = try passes(part)
            _ = try carryBack(ofPart, completes: index == parts.count - 1, wantsInput: false)
            // Tapes go with the part; records and totals are all that is kept.
            made.append((ofPart.map(\.record), ofPart.map(\.sums)))
        }
        let records = made[0].records.indices.map { index in PassRecord(merging: made.map { $0.records[index] }) }
        return try records.indices.map { index in
            try settle(records[index], made.flatMap { $0.sums[index] }, batch.images, batch)
        }
    }

    /// Ends the exchange and moves the parameters of some groups.
    private func apply(
        _ groups: Set<ParameterGroup>, records: [SettledRecord]
    ) throws -> (norm: Double, rate: Double) {
        let timing = try owner.exchange.finish()
        waitSeconds += timing.waited
        communicationSeconds += timing.span
        wire.add(owner.exchange)
        owner.communicator.note("step \(step), optimizer")
        let total = owner.exchange.total
        let idle = Self.idleExperts(records)
        owner.exchange.keep(
            network.parameters.slots.filter { !$0.isStatistic && ($0.owner.map(idle.contains) ?? false) })
        owner.scores?.carryBack(total)
        let norm = GradientNorm.value(total)
        guard norm.isFinite else { throw try owner.diagnoseGradient(norm: norm, step: step) }
        guard let leading = owner.settings.groups[groups.contains(.backbone) ? .backbone : .router] else {
            preconditionFailure("no settings for the parameters that an update moves")
        }
        if let limit = leading.optimizer.clipNorm { GradientNorm.clip(total, norm: norm, to: limit) }
        let rate = leading.schedule.rate(atStep: step)
        func move() {
            owner.optimizer.step(network.parameters, total, rate: rate, idle: idle, groups: groups)
        }
        if let scores = owner.scores { scores.update(move) } else { move() }
        return (norm, rate)
    }

    /// Experts without an image of the global batch in any of the passes.
    private static func idleExperts(_ records: [SettledRecord]) -> Set<ExpertOwner> {
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
