import Attacks
import Files
import Foundation
import NetworkAttacks
import Networks
import Tensors

/// The evaluation of one chunk of images, which no other chunk has a say in.
struct ChunkEvaluation {
    let passes: PassFactory
    /// Passes of other networks that attacks are made on, by where these are stored.
    var sources: [String: PassFactory] = [:]
    /// Whether what attacks made is kept.
    var keepsImages = false
    /// Whether some images are kept beside what attacks made of them.
    var keepsExamples = false
    let images: Tensor
    let labels: [Int32]
    /// The index in the data set of every image.
    let samples: [Int]
    /// The seed of attacks' draws.
    let seed: UInt64

    private var network: Network { passes.network }

    /// Judges the clean images, and those that each attack makes of them.
    ///
    /// - Parameter enter: Called with each place that it comes to.
    /// - Throws: What `passes.progress` throws, at any pass.
    func outcomes(
        _ attacks: [EvaluatedAttack], _ enter: (EvaluationProgress.Place?) -> Void
    ) throws -> [EvaluationChunk.Outcome] {
        let start = ContinuousClock.now
        enter(nil)
        try passes.progress()
        var (clean, routes) = try judged(images, by: "the clean images")
        clean.seconds = start.seconds
        return try [clean]
            + attacks.enumerated().map { number, attack in
                try outcome(of: attack, clean: clean, routes) {
                    enter(EvaluationProgress.Place(attack: number, stage: $0))
                }
            }
    }

    /// What an attack comes to; of a ladder, for each image what the stage made that fooled the network, else the last.
    ///
    /// Where routes are held in the verdict too, that is another network's: it ends no image of a ladder.
    /// - Parameter routes: Those of the clean images.
    private func outcome(
        of attack: EvaluatedAttack, clean: EvaluationChunk.Outcome, _ routes: [String: GivenRoutes],
        _ enter: (_ stage: Int) -> Void
    ) throws -> EvaluationChunk.Outcome {
        let start = ContinuousClock.now
        var result = clean
        result.distances = samples.map { _ in 0 }
        result.findings = samples.map { _ in [] }
        var worst = images
        for (number, stage) in attack.stages.enumerated() {
            let start = ContinuousClock.now
            enter(number)
            let open = attack.isLadder ? right(result) : Array(samples.indices)
            // Where images of the ladder are right or wrong on held routes alone.
            var onHeldRoutes: EvaluationChunk.Outcome?
            var findings: [[RedFlag.Kind]] = []
            var moved = 0
            if !open.isEmpty {
                let (found, paths) = try adversarial(stage, open)
                let tried = open.count == samples.count ? found : worst.replacing(open, by: found)
                let holds = stage.routing == .held
                let judged = try judged(tried, by: attack.name(ofStage: number), given: holds ? routes : [:]).outcome
                let ball = PerturbationBall(stage.norm, epsilon: 0)
                let distances = open.map { ball.distance(tried, around: images, image: $0) }
                moved = zip(distances, paths).count { distance, path in distance > 0 || path.hasMoved }
                findings = zip(open, paths).map { image, path in
                    PathChecks.kinds(
                        path, isRight: judged.predictions[image] == Int(labels[image]),
                        meetsAnother: stage.meetsAnother, climbs: stage.climbs)
                }
                if holds, attack.isLadder {
                    onHeldRoutes = judged
                } else {
                    worst = tried
                    result.take(judged, open)
                    for (image, distance) in zip(open, distances) { result.distances[image] = distance }
                    result.hasMoved = result.hasMoved || moved > 0
                    for (image, kinds) in zip(open, findings) { result.findings[image].formUnion(kinds) }
                }
            }
            guard attack.isLadder else { continue }
            let isCorrect = samples.indices.map { image in
                [result, onHeldRoutes ?? result].allSatisfy { $0.predictions[image] == Int(labels[image]) }
            }
            result.stages.append(
                EvaluationChunk.Stage(
                    isCorrect: isCorrect, attacked: open.count, moved: moved, findings: findings,
                    seconds: start.seconds))
        }
        if keepsExamples {
            result.examples = AttackExample.chosen(result, clean: clean, labels: labels.map(Int.init), images, worst)
        }
        if keepsImages { result.images = Data(buffer: worst.elements) }
        result.seconds = start.seconds
        return result
    }

    /// The images that are predicted as their labels.
    private func right(_ outcome: EvaluationChunk.Outcome) -> [Int] {
        samples.indices.filter { outcome.predictions[$0] == Int(labels[$0]) }
    }

    /// What an attack makes of some of the images, in their order, and its way there.
    private func adversarial(
        _ attack: NetworkAttack, _ open: [Int]
    ) throws -> (images: Tensor, paths: [AttackWatch.Path]) {
        var attack = attack
        // Attacks in evaluations meet the frozen model, whatever training does.
        attack.batchNorm = .frozen
        let whole = AttackBatch(images: [images], labels: [labels], samples: [samples], seed: seed)
        let batch = open.count == samples.count ? whole : whole.selecting([open])
        let watch = AttackWatch(batch)
        var made = passes
        if let source = attack.source {
            guard let other = sources[source] else {
                throw RunError.unusable("\(attack.id): expected the network of \(source) to be loaded")
            }
            made = other
            made.progress = passes.progress
        }
        // What images share under noise is this chunk's: other ranks may have no such pass, and no image gives way to others.
        made.statistics = SoloStatistics()
        made.routing.capacity = nil
        let found = try attack.perturb(batch, made, watch: watch)
        return (found[0], watch.paths[0])
    }

    /// What an attack comes to at another radius than its own.
    func outcome(of trial: RadiusTrial) throws -> EvaluationChunk.Trial {
        let (found, paths) = try adversarial(trial.attack, Array(samples.indices))
        let name = "\(trial.inputs) at another radius"
        return EvaluationChunk.Trial(
            inputs: trial.inputs, kind: trial.kind,
            isCorrect: try judged(found, by: name).outcome.isCorrect(labels.map(Int.init)),
            wasFooled: paths.map(\.wasFooled))
    }

    /// What the network's outputs for the clean images tell of it.
    func outputKinds() throws -> [RedFlag.Kind] {
        let logits = try (0..<Self.repeatedPasses).map { _ in
            try network.forward([images], passes.frozen(samples: [samples])).logits[0].rows
        }
        return (OutputChecks.areRandom(logits) ? [.randomized] : [])
            + (OutputChecks.areProbabilities(logits[0]) ? [.probabilities] : [])
    }

    /// How much of itself the loss of each image changes at points around it.
    func instability(_ clean: EvaluationChunk.Outcome) throws -> [Double] {
        // A search without steps stays where it starts.
        let draw = ProjectedGradientDescent(
            ball: PerturbationBall(.linf, epsilon: OutputChecks.neighborhood), stepSize: 0, steps: 0)
        let target = NetworkTarget(network, passes.frozen(samples: [samples]), progress: passes.progress)
        let around = try (0..<OutputChecks.points).map { point in
            let batch = AttackBatch(
                images: [images], labels: [labels], samples: [samples], seed: seed, step: point)
            let noisy = try draw.perturb(batch, CrossEntropyObjective(labels: [labels]), against: target)
            return try judged(noisy[0], by: "points around the clean images").outcome.losses
        }
        return OutputChecks.instability(clean.losses, around: around)
    }

    private static let repeatedPasses = 3

    /// What the network makes of images.
    /// - Parameters:
    ///   - name: What they are, for errors.
    ///   - given: Routes that are not the routers' choice, by layer.
    /// - Returns: That, and the routes taken.
    private func judged(
        _ images: Tensor, by name: String, given: [String: GivenRoutes] = [:]
    ) throws -> (outcome: EvaluationChunk.Outcome, routes: [String: GivenRoutes]) {
        let record = PassRecord()
        var pass = passes.frozen(samples: [samples])
        pass.given.merge(given) { own, _ in own }
        let images = try passes.shown([images], pass)[0]
        pass.record = record
        // Folded filters give the experts' outputs times the batch norm's factor, which the variance is not of.
        if network.settings.mixture.map({ $0.router.varianceWeight > 0 }) == true { pass.folds = false }
        let (logits, _) = try network.forward([images], pass)
        var outcome = EvaluationChunk.Outcome()
        outcome.losses = CrossEntropy.evaluate(logits[0], labels, divisor: 1).losses
        guard outcome.losses.allSatisfy(\.isFinite), record.routers.allSatisfy(\.isFinite) else {
            throw failure(images, losses: outcome.losses, pass, name)
        }
        outcome.predictions = CrossEntropy.predictions(logits[0]).map(Int.init)
        outcome.layers = record.routers.map { ExpertUsage(layer: $0.layer, sums: $0.perShard[0].sums) }
        outcome.outputs = record.routers.map(\.perShard[0].outputs)
        outcome.chosen = record.routers.map { $0.perShard[0].routes.experts }
        outcome.scores = record.routers.map { ScoreHistogram(scores: $0.perShard[0].scores, experts: $0.experts) }
        return (outcome, record.givenRoutes)
    }

    /// Says for which images and under which attack a number is none, and in which layer that begins.
    private func failure(_ images: Tensor, losses: [Double], _ pass: Pass, _ name: String) -> RunError {
        let wrong = losses.indices.filter { !losses[$0].isFinite }.map { "\(samples[$0])" }
        let which =
            wrong.isEmpty
            ? "one of images \(samples[0]) to \(samples[samples.count - 1])"
            : "image\(wrong.count == 1 ? "" : "s") \(wrong.prefix(5).joined(separator: ", "))"
                + (wrong.count > 5 ? " and \(wrong.count - 5) more" : "")
        let place = "evaluating \(name): expected finite numbers, found others for \(which)"
        // The same pass once more, to name the layer where it begins.
        var pass = pass
        pass.record = nil
        pass.checksValues = true
        do {
            _ = try network.forward([images], pass)
            return .numerical("\(place): every layer's output is finite, yet a loss or a router's score is not")
        } catch { return .numerical("\(place): \(error)") }
    }
}

extension EvaluationChunk.Outcome {
    /// Takes over another outcome: of the whole chunk what belongs to no image alone, and predictions and losses of
    /// `images`; the others' are settled.
    fileprivate mutating func take(_ other: Self, _ images: [Int]) {
        for image in images {
            predictions[image] = other.predictions[image]
            losses[image] = other.losses[image]
        }
        (layers, outputs, chosen, scores) = (other.layers, other.outputs, other.chosen, other.scores)
    }
}

extension Tensor {
    /// What the network gives for each image.
    fileprivate var rows: [[Float]] {
        (0..<images).map { image in Array(slice(image..<image + 1).elements) }
    }

    /// A copy with other images in the place of some.
    fileprivate func replacing(_ images: [Int], by others: Tensor) -> Tensor {
        let copy = Tensor(like: self)
        copy.copy(from: self)
        for (place, image) in images.enumerated() {
            copy.slice(image..<image + 1).copy(from: others.slice(place..<place + 1))
        }
        return copy
    }
}

extension [RedFlag.Kind] {
    /// Adds what is not there yet.
    fileprivate mutating func formUnion(_ others: [RedFlag.Kind]) { self += others.filter { !contains($0) } }
}

extension ContinuousClock.Instant {
    /// Seconds since then.
    package var seconds: Double { (ContinuousClock.now - self) / .seconds(1) }
}
