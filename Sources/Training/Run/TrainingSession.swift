import Collectives
import Foundation
import Tensors

/// One invocation of `robustmoe train`: finds the configuration and the checkpoint, opens the run directory, trains.
public struct TrainingSession: Sendable {
    private let configFile: String?
    private let output: String?
    private let resume: String?
    private let force: Bool
    private let settings: [String]

    /// Makes a session from the command's options.
    public init(configFile: String?, output: String?, resume: String?, force: Bool, settings: [String]) {
        self.configFile = configFile
        self.output = output
        self.resume = resume
        self.force = force
        self.settings = settings
    }

    /// What is known before MPI starts.
    public struct Prepared: Sendable {
        /// The resolved configuration.
        public let configuration: RunConfiguration
        /// The run directory.
        public let directory: String
    }

    /// Resolves the configuration. A resumed run's own `config.yaml` stands below the file and the command line.
    public func prepare() throws -> Prepared {
        var layers: [ConfigurationLayer] = []
        if let resume {
            // The run directory may depend on output.name, and that on the run's own configuration only if it is given.
            let place = try output ?? directoryName(try resolve([]))
            let saved = "\(place)/config.yaml"
            if resume == "auto" {
                if FileManager.default.fileExists(atPath: saved) { layers.append(try carriedOver(saved)) }
            } else {
                let located = try CheckpointStore.locate(resume)
                let checkpoint = try Checkpoint.verify(located)
                let state = try RunState.read(from: checkpoint)
                layers.append(
                    try state.runConfiguration(origin: "\(located)/state.json").carriedOver(
                        origin: "\(located)/state.json"))
            }
        }
        let configuration = try resolve(layers)
        return Prepared(configuration: configuration, directory: output ?? directoryName(configuration))
    }

    private func carriedOver(_ path: String) throws -> ConfigurationLayer {
        try RunConfiguration.resolve(layers: [ConfigurationLayer(file: path)]).carriedOver(origin: path)
    }

    private func resolve(_ below: [ConfigurationLayer]) throws -> RunConfiguration {
        let file = configFile.map { [ConfigurationLayer(file: $0)] } ?? []
        return try RunConfiguration.resolve(layers: below + file + settings.map { ConfigurationLayer(override: $0) })
    }

    private func directoryName(_ configuration: RunConfiguration) -> String {
        let name = configuration.output.name ?? "\(configuration.data.dataset.rawValue)-\(configuration.training.method.rawValue)"
        return "results/\(name)"
    }

    /// Trains; collective.
    public func run(_ prepared: Prepared, _ communicator: any Communicator) throws -> ExitStatus {
        let configuration = prepared.configuration
        let topology = try NodeTopology.gather(communicator)
        let requested: Int? = if case .count(let count) = configuration.distributed.threads { count } else { nil }
        let placement = topology.chooseThreads(requested: requested)
        let threads = placement.threads[communicator.rank]
        // Rank 0 opens the directory and picks the checkpoint; the others read what it picked.
        var directory: RunDirectory?
        var checkpointPath = ""
        if communicator.isRoot {
            for line in placement.summary { Console.print(line) }
            for warning in placement.warnings { Console.print("warning: \(warning)") }
            let opening: RunDirectory.Opening = force ? .force : resume == nil ? .fresh : .resume
            let opened = try RunDirectory(prepared.directory, opening: opening)
            checkpointPath = try chosenCheckpoint(opened) ?? ""
            try opened.writeConfiguration(configuration.yaml())
            try opened.writeCommand(CommandLine.arguments)
            try opened.writeEnvironment(
                RunEnvironment(topology: topology, communicator: communicator, threads: threads))
            for warning in placement.warnings { try opened.log("warning: \(warning)") }
            directory = opened
        }
        let path = try Self.shared(checkpointPath, communicator)
        let checkpoint = path.isEmpty ? nil : try Checkpoint.verify(path)
        let trainer = try Trainer(
            configuration, communicator: communicator, threads: threads, directory: directory, checkpoint: checkpoint)
        return try trainer.run()
    }

    private func chosenCheckpoint(_ directory: RunDirectory) throws -> String? {
        guard let resume else { return nil }
        if resume != "auto" { return try CheckpointStore.locate(resume) }
        let (checkpoint, skipped) = try directory.checkpoints.latestWhole()
        for entry in skipped {
            Console.print("warning: checkpoint \(entry.name) is not used: \(entry.reason)")
            try directory.log("warning: checkpoint \(entry.name) is not used: \(entry.reason)")
        }
        if checkpoint == nil { Console.print("no checkpoint in \(directory.path): starting anew") }
        return checkpoint?.path
    }

    /// Rank 0's text on every rank.
    static func shared(_ text: String, _ communicator: any Communicator) throws -> String {
        let own = communicator.isRoot ? Array(text.utf8) : []
        return String(decoding: try communicator.allGather(own), as: UTF8.self)
    }
}
