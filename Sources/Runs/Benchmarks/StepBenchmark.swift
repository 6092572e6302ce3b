import Attacks
import Collectives
import Configuration
import Datasets
import Files
import NetworkAttacks
import Networks
import Tensors
import Training

/// Times the parts of a training step: what a step costs, and where it goes.
///
/// Weights stand still (the rate is next to nothing), so that every repetition does the same work; batches are drawn and
/// augmented as in training, within the time that is taken.
final class StepBenchmark {
    let network: Network
    private let configuration: RunConfiguration
    private let traits: DatasetTraits
    private let communicator: any Communicator
    private let workspace: Workspace
    private let preparer: BatchPreparer
    private var done = 0
    /// The filters of every step that was made here.
    private var caches: [FilterCache]
    private var attackSeconds = 0.0
    private var seconds = 0.0

    init(_ configuration: RunConfiguration, communicator: any Communicator, threads: Int) throws {
        let name = configuration.data.dataset
        self.communicator = communicator
        workspace = Workspace(threads: threads)
        traits = try name.traits(configuration.data.imageFileOptions(workspace.loop, communicator))
        var settings = configuration
        settings.training.optimizer.rate = 1e-8
        settings.training.schedule.name = .constant
        settings.training.methods.advmoe.routerOptimizer.rate = 1e-8
        settings.training.methods.advmoe.routerSchedule.name = .constant
        self.configuration = settings
        network = try Network(configuration.networkSettings(traits, own: nil), seed: configuration.training.seed)
        caches = [FilterCache(capacityMegabytes: configuration.kernels.transformCacheMegabytes)]
        let batch = configuration.training.globalBatch
        preparer = BatchPreparer(
            imageSet: .forBenchmarks(name, traits, count: 4 * batch),
            sampler: EpochSampler(count: 4 * batch, globalBatch: batch, seed: configuration.training.seed),
            augmentations: configuration.data.resolvedAugmentation,
            seed: configuration.training.seed, rank: communicator.rank, ranks: communicator.size, workspace: workspace)
    }

    /// The network in words, such as `dense` or `conv, 4 experts, top-1 at layer4`.
    var networkName: String { configuration.networkWords }

    /// The work of each part; what a part needs is made here.
    func works(_ parts: [BenchmarkSession.Part]) throws -> [TimedWork] {
        let images = configuration.training.globalBatch
        let batch = TrainingBatch(preparer.batch(epoch: 0, step: 0))
        return try parts.map { part in
            switch part {
            case .forward:
                let pass = passes(caches[0]).frozen(samples: batch.samples)
                return TimedWork(name: "forward, evaluation mode", images: images) { [network] in
                    _ = try network.forward(batch.images, pass)
                }
            case .attack:
                var passes = passes(caches[0])
                passes.arithmetic = configuration.kernels.attackArithmetic
                let target = NetworkTarget(network, passes.frozen(samples: batch.samples))
                let attack = configuration.attack
                // The same work by labels alone, so that no clean images need be looked at.
                let name: ObjectiveName =
                    switch attack.resolvedObjective {
                    case .crossEntropy, .margin, .dlr, .divergence: .crossEntropy
                    case .routerLabels, .routerDivergence, .routerChoice: .routerLabels
                    case .modelAndRouterLabels, .modelAndRouterDivergence, .modelAndRouterChoice: .modelAndRouterLabels
                    }
                let objective = name.objective(
                    labels: batch.labels, network: network, beta: attack.beta ?? name.usualBeta, clean: CleanOutputs())
                return TimedWork(name: "attack step", images: images) {
                    _ = try target.outputsAndInputGradient(batch.images, objective, draw: 0)
                }
            case .clean: return trainingWork(.standard, name: "training step, clean")
            case .adversarial:
                let attack = configuration.attack
                if [.trades, .advmoe].contains(configuration.training.method) {
                    let method = configuration.training.method
                    return trainingWork(method, name: "training step, \(method.rawValue)-\(attack.steps)")
                }
                let name = attack.name == .pgd ? "PGD-\(attack.steps)" : attack.resolvedId
                return trainingWork(.pgd, name: "training step, \(name)")
            case .search: return try searchWork(batch)
            }
        }
    }

    /// The whole attack of the configuration.
    ///
    /// What the network says is right, so that a radius of next to nothing keeps every image until the end, whatever the
    /// attack does with those that are fooled.
    private func searchWork(_ batch: TrainingBatch) throws -> TimedWork {
        let passes = passes(caches[0])
        guard let attack = configuration.attack.networkAttack else {
            throw RunError.unusable("attack.name: none is no search; expected an attack")
        }
        let logits = try network.forward(batch.images, passes.frozen(samples: batch.samples)).logits
        let images = AttackBatch(
            images: batch.images, labels: logits.map(CrossEntropy.predictions), samples: batch.samples,
            seed: configuration.training.seed)
        return TimedWork(name: "attack, \(configuration.attack.name.rawValue)", images: batch.labels.joined().count) {
            _ = try attack.perturb(images, passes)
        }
    }

    /// A step as the run's own method takes it.
    func ownStep() -> TimedWork {
        trainingWork(configuration.training.method, name: "training step, \(configuration.training.method.rawValue)")
    }

    /// The share of attacks in the time of all adversarial steps since ``resetTimes()``.
    var attackShare: Double { seconds > 0 ? attackSeconds / seconds : 0 }

    /// Forgets the times of steps that were not to count.
    func resetTimes() { (attackSeconds, seconds) = (0, 0) }

    /// Bytes of tensors that were taken from the system.
    var tensorBytes: Int { workspace.reservedBytes }

    /// The blocks of memory that they were taken in, see ``Workspace/blocks``.
    var tensorBlocks: [Int: Int] { workspace.blocks }

    private func trainingWork(_ method: RunConfiguration.Training.Method, name: String) -> TimedWork {
        let step = trainingStep(method, configuration)
        return TimedWork(name: name, images: configuration.training.globalBatch) { [self] in
            let start = ContinuousClock.now
            let outcome = try step.run(
                nextBatch(), routerBatch: step.method.drawsRouterBatch ? nextBatch() : nil, step: 0,
                wantsToStop: false)
            if method == .standard { return }
            attackSeconds += outcome.attackSeconds
            seconds += (ContinuousClock.now - start) / .seconds(1)
        }
    }

    private func trainingStep(
        _ method: RunConfiguration.Training.Method, _ configuration: RunConfiguration
    ) -> TrainingStep {
        var settings = configuration
        settings.training.method = method
        let step = TrainingStep(
            network, settings.trainingSettings(stepsPerEpoch: 1, ranks: communicator.size),
            method: settings.trainingMethod(traits, communicator), communicator: communicator, workspace: workspace)
        caches.append(step.passes.filters)
        return step
    }

    private func nextBatch() -> TrainingBatch {
        defer { done += 1 }
        return TrainingBatch(preparer.batch(epoch: done / 4, step: done % 4))
    }

    private func passes(_ filters: FilterCache) -> PassFactory {
        PassFactory(
            network, workspace: workspace, filters: filters, arithmetic: configuration.kernels.passArithmetic,
            routing: configuration.routingRule)
    }

    /// The transformed filters that the fullest cache holds, in MiB.
    var filterMebibytes: Int { (caches.map(\.bytes).max() ?? 0) >> 20 }

    /// What the works have shown beside their times, a line each.
    var findings: [String] {
        var lines = [
            "tensors: at most \(workspace.peakBytes >> 20) MiB at once; transformed filters: \(filterMebibytes) MiB"
        ]
        if seconds > 0 { lines.append("the attack takes \(Console.percent(attackSeconds / seconds)) of its step") }
        return lines
    }

    /// Trains a little, so that running statistics and routers are those of a network at work.
    func settle(steps: Int) throws {
        var settings = configuration
        settings.training.optimizer.rate = 0.02
        let step = trainingStep(.standard, settings)
        for index in 0..<steps { _ = try step.run(nextBatch(), step: index, wantsToStop: false) }
    }

    /// Attacks one batch and returns what a peer with the same weights must find too.
    func referenceAttack() throws -> ReferenceAttack {
        let batch = TrainingBatch(preparer.batch(epoch: 0, step: 0))
        let passes = passes(caches[0])
        func perturbed(steps: Int) throws -> [Tensor] {
            // The peer makes just this search, whatever is timed here.
            var attack = configuration.attack
            attack.name = .pgd
            attack.steps = steps
            attack.objective = .given(.crossEntropy)
            let images = AttackBatch(
                images: batch.images, labels: batch.labels, samples: batch.samples, seed: configuration.training.seed)
            return try attack.networkAttack?.perturb(images, passes) ?? batch.images
        }
        func loss(_ images: [Tensor]) throws -> Double {
            let logits = try network.forward(images, passes.frozen(samples: batch.samples)).logits[0]
            let losses = CrossEntropy.evaluate(logits, batch.labels[0], divisor: 1).losses
            return losses.reduce(0, +) / Double(losses.count)
        }
        let start = try perturbed(steps: 0)
        let end = try perturbed(steps: configuration.attack.steps)
        return ReferenceAttack(
            images: batch.images[0], labels: batch.labels[0], start: start[0], end: end[0],
            cleanLoss: try loss(batch.images), attackedLoss: try loss(end))
    }
}
