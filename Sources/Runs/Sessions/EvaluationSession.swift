import Collectives
import Configuration
import Datasets
import Evaluation
import Files
import NetworkAttacks
import Networks
import Tensors
import Weights

/// One invocation of `robustmoe evaluate` or `experts`: a checkpoint's network on a data set, clean and attacked, and
/// if wanted once more for every expert of a layer.
package struct EvaluationSession: Sendable {
    private let checkpointPath: String
    private let layout: CheckpointLayout?
    private let configFiles: [String]
    private let output: String
    private let force: Bool
    private let resume: Bool
    private let settings: [String]
    private let fixedLayers: [String]?
    private let labelPath: String?

    /// Makes a session from the command's options.
    /// - Parameters:
    ///   - layout: What the tensors are called, if `checkpoint` is a safetensors file rather than a checkpoint.
    ///   - resume: Whether to go on with an evaluation that ended early.
    ///   - fixedLayers: The mixture layers whose experts are evaluated one by one; an empty list means all layers, nil
    ///     that no expert is.
    ///   - labelPath: The pack to write the images of `data.extra` to, under the classes that the network gives them.
    package init(
        checkpoint: String, layout: CheckpointLayout? = nil, configFiles: [String], output: String, force: Bool,
        resume: Bool = false, settings: [String], fixedLayers: [String]? = nil, labelPath: String? = nil
    ) {
        self.labelPath = labelPath
        self.fixedLayers = fixedLayers
        checkpointPath = checkpoint
        self.layout = layout
        self.configFiles = configFiles
        self.output = output
        self.force = force
        self.resume = resume
        self.settings = settings
    }

    /// What is known before MPI starts.
    package struct Prepared: Sendable {
        /// The checkpoint's configuration under the file's and the command line's settings.
        package let configuration: RunConfiguration
        let weights: EvaluatedWeights
        /// What the files and the command line say that has no effect, or was probably not meant.
        let warnings: [String]
        /// What was taken for granted of the weights.
        let assumptions: [String]
    }

    /// Reads the checkpoint's state and resolves the configuration.
    package func prepare() throws -> Prepared {
        let weights = try EvaluatedWeights(checkpointPath, layout: layout)
        let files = configFiles.map { ConfigurationLayer(file: $0) }
        let resolved = try RunConfiguration.resolveWithWarnings(
            layers: [try weights.configurationLayer()] + files + settings.map { ConfigurationLayer(override: $0) },
            for: .evaluation)
        let configuration = resolved.configuration
        try weights.check(resolved)
        guard configuration.resolvedEvaluationAttacks.allSatisfy({ $0.batchNorm == .frozen }) else {
            throw RunError.unusable(
                "attack.batch_norm: batch would evaluate another network than the one that is used; expected frozen")
        }
        guard !FileSystem.isDirectory(FileSystem.join(output, RunDirectory.checkpointsName)) else {
            throw RunError.unusable(
                "\(output) holds a training run; expected another --output for an evaluation's files")
        }
        if let labelPath { try LabelFile.require(labelPath, configuration, mayBeThere: force || resume) }
        let assumptions = weights.assumptions(resolved)
        return Prepared(
            configuration: configuration, weights: weights,
            warnings: resolved.warnings + assumptions.map { "\($0): the file does not tell" }, assumptions: assumptions)
    }

    /// Evaluates; collective.
    ///
    /// What is finished is kept in the directory as it comes, and tables are written when all is; results that they replace
    /// stay until then.
    package func run(_ prepared: Prepared, _ communicator: any Communicator) throws -> ExitStatus {
        let started = ContinuousClock.now
        let configuration = prepared.configuration
        let site = try SessionSite(
            configuration, communicator, warnings: prepared.warnings, weights: prepared.weights.sha256)
        let lock = try RunLock.taken(output, communicator)
        defer { withExtendedLifetime(lock) {} }
        let found = try communicator.isRoot && lookAtResults(prepared)
        let isThere = try communicator.allReduce(Int64(found ? 1 : 0), .max) > 0
        if isThere, labelPath == nil { return .done }
        let workspace = Workspace(threads: site.threads)
        let data = try EvaluationData(configuration, loop: workspace.loop, communicator)
        try prepared.weights.check(data, configuration)
        try configuration.requireAttacks(on: data.set.traits)
        var settings = try configuration.networkSettings(data.set.traits, own: prepared.weights.checkpoint)
        try prepared.weights.adoptNormalization(&settings)
        let network = try Network(settings, seed: 0)
        try prepared.weights.load(configuration, into: network)
        let fixed = try fixedLayers.map { try network.mixtureLayers(named: $0) }
        let mask = try configuration.evaluation.masks.map { path in
            let masks = try PruningMasks.masks(of: Checkpoint.verify(try CheckpointStore.locate(path)))
            return try MaskOverlap(masks, network, path: path)
        }
        var passes = PassFactory(
            network, workspace: workspace,
            filters: FilterCache(capacityMegabytes: configuration.kernels.transformCacheMegabytes),
            arithmetic: configuration.kernels.passArithmetic, routing: configuration.routingRule)
        passes.antiAdversary = configuration.antiAdversary
        let suffix = configuration.evaluation.weights == .average ? EvaluationResult.averageSuffix : ""
        let labels = try labelPath.map { path in
            try LabelFile(
                path, configuration, beside: data.set, weights: (prepared.weights.sha256 ?? "") + suffix,
                replaces: force,
                loop: workspace.loop, communicator)
        }
        var material = try AttackMaterial(
            configuration.evaluatedAttacks(of: network), configuration, passes, data, communicator)
        let identity = configuration.evaluationIdentity(
            weights: prepared.weights.hashes, material: material.hashes + (labels.map { [$0.digest] } ?? []), data.set,
            data.indices, layers: fixed)
        var environment: RunEnvironment?
        let record =
            try communicator.isRoot && !isThere
            ? EvaluationRecord(output, identity, runID: prepared.weights.runID, resumes: resume) { directory in
                environment = try site.describe(
                    configuration, in: directory, communicator, images: [data.set],
                    attackFiles: material.files)
                try directory.log(prepared.weights.description)
                for warning in data.set.warnings { try directory.log("warning: \(warning)") }
            } : nil
        if communicator.isRoot {
            Console.say(prepared.weights.description)
            for warning in data.set.warnings { Console.say(warning, .warning) }
        }
        let limit = configuration.evaluation.timeLimit?.seconds
        let wantsToStop = { StopRequest.isRequested || limit.map { started.seconds >= $0 } ?? false }
        if let labels, try !labels.isThere(communicator) {
            for warning in communicator.isRoot ? labels.warnings : [] { Console.say(warning, .warning) }
            var labeller = Evaluator(
                passes, communicator, chunk: configuration.evaluation.chunk, seed: configuration.evaluationSeed,
                store: record?.unfinished, report: { try record?.report($0) }, wantsToStop: wantsToStop)
            labeller.part = "labels"
            let isWhole = try labels.write(labeller) { line in
                if let record { try record.say(line, .notice) } else { Console.say(line, .notice) }
            }
            if !isWhole { return try stopped(record) }
        }
        if isThere { return .done }
        do {
            try material.make(passes, communicator, wantsToStop: wantsToStop) { try record?.say($0) }
        } catch is UniversalCrafting.Stopped { return try stopped(record) }
        var evaluator = Evaluator(
            passes, communicator, chunk: configuration.evaluation.chunk, seed: configuration.evaluationSeed, mask: mask,
            store: record?.unfinished, report: { try record?.report($0) },
            wantsToStop: wantsToStop)
        evaluator.sources = material.sources
        evaluator.keepsExamples = true
        evaluator.keepsImages = configuration.evaluation.writeImages
        let attacks = material.attacks
        guard
            case .finished(let result) = try evaluator.run(
                data.set, data.indices, attacks: attacks, suffix: suffix,
                trials: configuration.evaluation.checks
                    ? configuration.radiusTrials(elements: data.set.traits.imageSize) : nil)
        else { return try stopped(record) }
        var rows: [FixedExpertRow] = []
        if let fixed {
            let experts = FixedExperts(evaluator: evaluator, layers: fixed, attacks: attacks, suffix: suffix)
            let isWhole = try experts.run(data.set, data.indices, gated: result) { layer, expert, input, gated in
                rows.append(row(layer, expert, input, gated, prepared))
                try record?.say("\(layer) \(expert.map { "expert \($0)" } ?? "gated") \(Console.line(input))", .notice)
            }
            if !isWhole { return try stopped(record) }
        }
        guard let result, let record else { return .done }
        let recorder = try record.replaceResults()
        try write(result, material.attacks, network, data.set, prepared, recorder)
        if fixed != nil { try recorder.tables.open(.fixedExperts) }
        for row in rows { try recorder.tables.append(row) }
        try record.unfinished.remove()
        try environment.map { try recorder.directory.writeEnvironment($0.ended(.done)) }
        try recorder.say("results in \(recorder.directory.path)", .notice)
        return .done
    }

    /// Throws where results are in the way; returns whether they are those that are wanted, and whole.
    private func lookAtResults(_ prepared: Prepared) throws -> Bool {
        if force {
            try RunDirectory.requireOurs(at: output)
            return false
        }
        guard resume else {
            try RunDirectory.requireNone(at: output)
            return false
        }
        let directory = try RunDirectory(output, opening: .resume)
        if FileSystem.exists(directory.file(RunDirectory.unfinishedName)) { return false }
        guard directory.resumesRun else {
            Console.say("no unfinished evaluation in \(output): starting anew")
            return false
        }
        let path = directory.file("config.yaml")
        let saved = try RunConfiguration.resolve(layers: [ConfigurationLayer(file: path)])
        let (found, expected) = (prepared.configuration.evaluationLeaves, saved.evaluationLeaves)
        var changed = Set(found.keys).union(expected.keys).sorted().filter { found[$0] != expected[$0] }.map {
            "\($0): \(expected[$0] ?? "absent") -> \(found[$0] ?? "absent")"
        }
        let files = try (AttackMaterial.files(of: prepared.configuration), RunEnvironment.attackFiles(in: directory))
        changed += files.0.keys.sorted().filter { files.0[$0] != files.1[$0] }.map {
            "what is in \($0): SHA-256 \(files.1[$0]?.joined(separator: " ") ?? "unknown") -> "
                + (files.0[$0]?.joined(separator: " ") ?? "unknown")
        }
        guard changed.isEmpty, try directory.holdsResults(ofWeights: prepared.weights.sha256) else {
            throw RunError.checkpoint(
                "\(output) holds the results of another evaluation; expected the same weights and settings, found other "
                    + (changed.isEmpty ? "weights" : "settings: \(changed.joined(separator: ", "))")
                    + "; pass --force to replace them, or another --output")
        }
        Console.say("finished already, results in \(output)", .notice)
        return true
    }

    private func stopped(_ record: EvaluationRecord?) throws -> ExitStatus {
        try record?.say(
            "stopped; what is finished is in \(output); go on with the same command and --resume auto", .notice)
        return .stoppedEarly
    }

    private func write(
        _ result: EvaluationResult, _ attacks: [EvaluatedAttack], _ network: Network, _ set: ImageSet,
        _ prepared: Prepared, _ recorder: RunRecorder
    ) throws {
        let classNames = set.classNames
        let configuration = prepared.configuration
        var subject = configuration.evaluationSubject(
            checkpoint: prepared.weights.name, sha256: prepared.weights.sha256, flags: prepared.assumptions)
        subject.normalization = prepared.weights.normalizationName(subject.normalization)
        subject.training = try prepared.weights.trainingAttack.map { ($0.norm, $0.epsilon) }
        let split = subject.split
        try recorder.record(result, subject, epoch: prepared.weights.epoch, step: prepared.weights.step)
        let tables = recorder.tables
        let samples = try tables.openPerSample(attacks: attacks.map(\.id))
        for row in result.perSample {
            try samples.append(row)
            guard configuration.output.perSampleLong else { continue }
            for long in PerSampleLongRow.rows(row, attacks: attacks.map(\.id)) { try tables.append(long) }
        }
        for (attack, pixels) in zip(attacks, result.images) {
            guard let pixels else { continue }
            let images = AttackedImages(
                indices: result.perSample.map(\.index), labels: result.perSample.map(\.label),
                shape: [set.height, set.width, set.channels], bytes: pixels)
            try recorder.directory.write(images, of: attack.id)
        }
        if !result.examples.isEmpty {
            var images = ExampleImages(shape: [set.height, set.width, set.channels])
            for (example, row) in result.examples {
                try tables.append(row(split, classNames))
                images.append(clean: example.clean, attacked: example.attacked)
            }
            try recorder.directory.write(images)
        }
        for table in [RunTable.cost, .classes, .expertClasses, .routerScores, .examples] { try tables.open(table) }
        if let png = result.expertMaps.png(set) { try recorder.directory.writeExpertMaps(png) }
        for row in try CostRow.rows(network) { try tables.append(row) }
        let hasMask = configuration.evaluation.masks != nil
        if hasMask { try tables.open(.maskOverlap) }
        if result.inputs.contains(where: { $0.dissection != nil }) { try tables.open(.dissection) }
        for input in result.inputs {
            for row in input.classRows(split: split, names: classNames) { try tables.append(row) }
            for row in input.expertClassRows(split: split, names: classNames) { try tables.append(row) }
            for row in input.routerScoreRows(split: split) { try tables.append(row) }
            if let dissection = input.dissection {
                try tables.append(dissection.row(split: split, inputs: input.name))
                if hasMask {
                    let overlaps = dissection.maskOverlaps
                    for row in MaskOverlapRow.rows(overlaps, split: split, inputs: input.name) {
                        try tables.append(row)
                    }
                }
            }
            try recorder.say(Console.line(input))
        }
        try recorder.warnOfRouting(result, split: split)
        for line in EvaluationSummary(result, subject).lines { try recorder.say(line, .notice) }
    }

    private func row(
        _ layer: String, _ expert: Int?, _ input: EvaluationResult.Inputs, _ gated: EvaluationResult.Inputs,
        _ prepared: Prepared
    ) -> FixedExpertRow {
        FixedExpertRow(
            checkpoint: prepared.weights.name, checkpointSHA256: prepared.weights.sha256,
            dataset: prepared.configuration.data.dataset.rawValue,
            split: prepared.configuration.resolvedEvaluationSplit.rawValue, layer: layer, expert: expert,
            inputs: input.name, samples: input.samples, correct: input.correct, loss: input.taskLoss,
            gatedCorrect: gated.correct)
    }
}
