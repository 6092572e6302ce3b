import Collectives
import Datasets
import Networks
import Tensors

/// One invocation of `robustmoe evaluate`: a checkpoint's network on a data set, clean and attacked.
public struct EvaluationSession: Sendable {
    private let checkpointPath: String
    private let configFile: String?
    private let output: String
    private let force: Bool
    private let settings: [String]

    /// Makes a session from the command's options.
    public init(checkpoint: String, configFile: String?, output: String, force: Bool, settings: [String]) {
        checkpointPath = checkpoint
        self.configFile = configFile
        self.output = output
        self.force = force
        self.settings = settings
    }

    /// What is known before MPI starts.
    public struct Prepared: Sendable {
        /// The checkpoint's configuration under the file's and the command line's settings.
        public let configuration: RunConfiguration
        let saved: RunConfiguration
        let checkpoint: Checkpoint
        let state: RunState
    }

    /// Reads the checkpoint's state and resolves the configuration.
    public func prepare() throws -> Prepared {
        let checkpoint = try Checkpoint.verify(try CheckpointStore.locate(checkpointPath))
        let state = try RunState.read(from: checkpoint)
        let origin = "\(checkpoint.path)/state.json"
        let saved = try state.runConfiguration(origin: origin)
        let file = configFile.map { [ConfigurationLayer(file: $0)] } ?? []
        let configuration = try RunConfiguration.resolve(
            layers: [saved.carriedOver(origin: origin)] + file + settings.map { ConfigurationLayer(override: $0) })
        guard configuration.resolvedEvaluationAttacks.allSatisfy({ $0.batchNorm == .frozen }) else {
            throw RunError.unusable(
                "attack.batch_norm: batch would evaluate another network than the one that is used; expected frozen")
        }
        guard !FileSystem.isDirectory(FileSystem.join(output, RunDirectory.checkpointsName)) else {
            throw RunError.unusable(
                "\(output) holds a training run; expected another --output for an evaluation's files")
        }
        return Prepared(configuration: configuration, saved: saved, checkpoint: checkpoint, state: state)
    }

    /// Evaluates; collective.
    public func run(_ prepared: Prepared, _ communicator: any Communicator) throws -> ExitStatus {
        let configuration = prepared.configuration
        MatrixProduct.useOneThread()
        let topology = try NodeTopology.gather(communicator)
        let requested: Int? = if case .count(let count) = configuration.distributed.threads { count } else { nil }
        let placement = topology.chooseThreads(requested: requested)
        if communicator.isRoot {
            for line in placement.summary + [RunEnvironment.kernelLine] { Console.print(line) }
            for warning in placement.warnings { Console.print("warning: \(warning)") }
            if !force { _ = try RunDirectory(output, opening: .fresh) }
        }
        let workspace = Workspace(threads: placement.threads[communicator.rank])
        let data = try RunData(configuration)
        let network = try ResNet(configuration.networkSettings(data.evaluation.traits), seed: 0)
        let place = prepared.checkpoint.path
        try ModelTensors.load(
            try prepared.checkpoint.tensors(in: "model.safetensors"), into: network, from: "\(place)/model.safetensors")
        // Results that are to be replaced stay until every rank has its data and its network.
        try communicator.barrier()
        let recorder = try communicator.isRoot ? makeRecorder(prepared, topology, placement, communicator) : nil
        for warning in data.warnings { try recorder?.say("warning: \(warning)") }
        let evaluator = Evaluator(
            network: network, configuration: configuration, communicator: communicator, workspace: workspace,
            filters: FilterCache(capacityMegabytes: configuration.kernels.transformCacheMegabytes))
        let attacks = configuration.resolvedEvaluationAttacks
        let result = try evaluator.run(data.evaluation, data.evaluationIndices, attacks)
        guard let result, let recorder else { return .done }
        let step = prepared.state.step
        try recorder.record(
            result, epoch: step / max(1, prepared.state.stepsPerEpoch), step: step,
            split: configuration.resolvedEvaluationSplit.rawValue, checkpoint: CheckpointStore.name(ofStep: step),
            sha256: prepared.checkpoint.files["model.safetensors"]?.sha256,
            dataset: configuration.data.dataset.rawValue, seed: configuration.training.seed)
        let table = try PerSampleTable(
            path: recorder.directory.file("per_sample.csv"), attacks: attacks.map(\.resolvedId), runID: recorder.runID)
        for row in result.perSample { try table.append(row) }
        for input in result.inputs { try recorder.say(Console.line(input)) }
        try recorder.say("results in \(recorder.directory.path)")
        return .done
    }

    private func makeRecorder(
        _ prepared: Prepared, _ topology: NodeTopology, _ placement: ThreadPlacement, _ communicator: any Communicator
    ) throws -> RunRecorder {
        let directory = try RunDirectory(output, opening: force ? .force : .fresh)
        try directory.writeConfiguration(prepared.configuration.yaml())
        try directory.writeCommand(CommandLine.arguments)
        try directory.writeEnvironment(
            RunEnvironment(topology: topology, communicator: communicator, threads: placement.threads[0]))
        let recorder = try RunRecorder(directory, runID: prepared.state.runID)
        try recorder.say("checkpoint \(prepared.checkpoint.path) of run \(prepared.state.runID)")
        return recorder
    }
}
