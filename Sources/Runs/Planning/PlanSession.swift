import Collectives
import Configuration
import Datasets
import Files
import Foundation
import Networks
import Tensors

/// One invocation of `robustmoe plan`: checks a configuration as training would, and says what the run needs.
package struct PlanSession: Sendable {
    /// The link that is assumed where none was measured: TCP on 10 Gbit/s Ethernet.
    private static let assumed = (gigabits: 10.0, latencySeconds: 30e-6)

    private let resolved: ResolvedConfiguration<RunConfiguration>
    private let launch: LaunchOptions
    private let measured: String?
    private let gigabits: Double?
    private let asJSON: Bool

    /// Resolves the configuration.
    /// - Parameters:
    ///   - launch: Where the run is to be.
    ///   - measured: A file of ``MeasuredRates``; nil measures here.
    ///   - gigabits: The rate of the link between hosts, in Gbit/s, in place of what was measured; or nil.
    package init(
        configFiles: [String], settings: [String], launch: LaunchOptions, measured: String?, gigabits: Double?,
        asJSON: Bool
    ) throws {
        let layers =
            configFiles.map { ConfigurationLayer(file: $0) } + settings.map { ConfigurationLayer(override: $0) }
        resolved = try RunConfiguration.resolveWithWarnings(layers: layers, for: .training)
        var launch = launch
        if launch.threads == nil, case .given(let threads) = resolved.configuration.distributed.threads {
            launch.threads = threads
        }
        self.launch = launch
        self.measured = measured
        self.gigabits = gigabits
        self.asJSON = asJSON
    }

    /// The configuration.
    package var configuration: RunConfiguration { resolved.configuration }

    /// Measures, if need be, and prints the plan; collective.
    package func run(_ communicator: any Communicator) throws -> ExitStatus {
        MatrixProduct.useOneThread()
        let (allocation, layout) = try launch.layout(ofJob: NodeTopology.gather(communicator))
        let images = try self.images()
        let wanted = (configuration.training.globalBatch + layout.ranks - 1) / layout.ranks
        let rates: MeasuredRates
        if let measured {
            rates = try MeasuredRates(file: measured)
            guard rates.settings == configuration.ratesSignature else {
                throw RunError.unusable(
                    "\(measured): its figures are of other settings (\(rates.network)), expected those of this configuration: "
                        + "its network, method, attack, arithmetic and data set; bench rates with the same settings writes them"
                )
            }
        } else {
            rates = try Self.measure(configuration, communicator, threads: layout.threads, wanted: wanted)
        }
        guard communicator.isRoot else { return .done }
        let task = RunPlan.Task(
            configuration, images: images, layout: layout,
            hostBytes: MemoryBudget(jobLimit: ControlGroup.ofThisProcess().memoryLimit).bytes)
        let plan = RunPlan(task, rates, link: link(rates, layout), ranks: layout.ranks)
        let report = PlanReport(
            plan: plan, task: task, rates: rates, layout: layout, allocation: allocation,
            configuration: configuration,
            warnings: resolved.warnings + images.warnings
                + warnings(layout, rates, deterministicShards: configuration.distributed.deterministicShards))
        if asJSON { Console.print(try report.json) } else { for line in report.lines { Console.print(line) } }
        return .done
    }

    /// The images of the run, loaded as training would, with the network made that it would train, and let go again: what is
    /// measured is to be without them.
    private func images() throws -> PlannedImages {
        // Every rank checks for itself, so that a host without the images is found now.
        let data = try RunData(configuration, loop: ParallelLoop(threads: 1), SoloCommunicator())
        try configuration.requireAttacks(on: data.train.traits)
        let network = try Network(
            configuration.networkSettings(data.train.traits, own: nil), seed: configuration.training.seed)
        try configuration.checkExclusions(network.parameters)
        _ = try InitialWeights.load(configuration, into: network)
        let evaluated = data.evaluation.identity == nil ? data.evaluation.set.images.count : 0
        return PlannedImages(
            train: data.sampler(configuration, seed: 0).count, evaluated: data.evaluation.indices.count,
            bytes: data.train.images.count + (data.extra?.images.count ?? 0) + evaluated, warnings: data.warnings)
    }

    /// Measures on all ranks; collective.
    static func measure(
        _ configuration: RunConfiguration, _ communicator: any Communicator, threads: Int, wanted: Int
    ) throws -> MeasuredRates {
        let topology = try NodeTopology.gather(communicator)
        // No more threads than there are cores for this rank here, whatever the hosts of the plan have.
        let here = topology.chooseThreads(requested: nil).threads[communicator.rank]
        return try RateMeasurement(
            configuration: configuration, communicator: communicator, threads: min(threads, here), wanted: wanted
        ).run()
    }

    private func link(_ rates: MeasuredRates, _ layout: RankLayout) -> MeasuredRates.Link {
        if let gigabits {
            return .init(
                latencySeconds: rates.link?.latencySeconds ?? Self.assumed.latencySeconds,
                bytesPerSecond: gigabits * 1e9 / 8, origin: "--link")
        }
        // What ranks of one host exchange by says nothing of the links between hosts.
        if let link = rates.link, rates.hosts > 1 || layout.hosts.count == 1 { return link }
        return .init(
            latencySeconds: Self.assumed.latencySeconds, bytesPerSecond: Self.assumed.gigabits * 1e9 / 8,
            origin: "assumed; --link GBIT says another, and plan or bench rates under mpirun measure it")
    }

    private func warnings(_ layout: RankLayout, _ rates: MeasuredRates, deterministicShards: Int) -> [String] {
        var warnings: [String] = []
        if rates.threads != layout.threads {
            warnings.append(
                "a rank is to have \(layout.threads) threads, and was measured with \(rates.threads): times are those of "
                    + "\(rates.threads), not scaled")
        }
        let ofHost = layout.hosts.map(\.ranks).max() ?? 1
        if ofHost > rates.ranksOfHost {
            warnings.append(
                "a host is to have \(ofHost) ranks, and \(rates.ranksOfHost) measured at once: ranks share memory and caches, and "
                    + "may be slower beside each other; mpirun -np \(ofHost) robustmoe bench rates --measured FILE measures them together"
            )
        }
        if deterministicShards > 0, deterministicShards % layout.ranks != 0 {
            warnings.append(
                "distributed.deterministic_shards is \(deterministicShards), no multiple of \(layout.ranks) ranks: training would be "
                    + "refused")
        }
        if layout.ranks > configuration.training.globalBatch {
            warnings.append(
                "\(layout.ranks) ranks share \(configuration.training.globalBatch) images of a step: some have none")
        }
        return warnings
    }
}

/// What a plan knows of the images.
struct PlannedImages {
    /// Images to train on, and to evaluate.
    let train: Int
    let evaluated: Int
    /// Bytes of both in every rank.
    let bytes: Int
    let warnings: [String]
}

extension RunPlan.Task {
    init(_ configuration: RunConfiguration, images: PlannedImages, layout: RankLayout, hostBytes: Int) {
        let (training, evaluation) = (configuration.training, configuration.evaluation)
        let evaluations = (1...training.epochs).filter { $0 % evaluation.everyEpochs == 0 || $0 == training.epochs }
        let attacks = configuration.resolvedEvaluationAttacks
        let attacked = evaluations.filter { epoch in
            guard let every = evaluation.attacksEveryEpochs, epoch < training.epochs else { return true }
            return every > 0 && epoch % every == 0
        }
        let attackedCount = attacks.isEmpty ? 0 : attacked.count
        self.init(
            trainImages: images.train, evaluatedImages: images.evaluated, globalBatch: training.globalBatch,
            epochs: training.epochs, shards: configuration.distributed.deterministicShards,
            bucketBytes: max(
                4,
                Int(configuration.distributed.bucketMegabytes * 1_048_576)
                    * configuration.distributed.wire.bytesOfElement / 4),
            encodes: configuration.distributed.wire != .float32,
            cleanEvaluations: evaluations.count - attackedCount, attackedEvaluations: attackedCount,
            attackSteps: attacks.compactMap(\.gradientSteps).reduce(0, +), chunk: evaluation.chunk,
            imageBytes: images.bytes, ranksOfHost: layout.hosts.map(\.ranks).max() ?? 1, threads: layout.threads,
            hostBytes: hostBytes)
    }
}
