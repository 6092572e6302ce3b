import Collectives
import Configuration
import Files

/// One invocation of `robustmoe train`: finds the configuration and the checkpoint, opens the run directory, trains.
package struct TrainingSession: Sendable {
    private let configFiles: [String]
    private let output: String?
    private let resume: String?
    private let force: Bool
    private let settings: [String]

    /// Makes a session from the command's options.
    package init(configFiles: [String], output: String?, resume: String?, force: Bool, settings: [String]) {
        self.configFiles = configFiles
        self.output = output
        self.resume = resume
        self.force = force
        self.settings = settings
    }

    /// What is known before MPI starts.
    package struct Prepared: Sendable {
        /// The resolved configuration.
        package var configuration: RunConfiguration { resolved.configuration }
        /// The run directory.
        package let directory: String
        let resolved: ResolvedConfiguration<RunConfiguration>
        /// What the files and the command line say that has no effect, or was probably not meant.
        var warnings: [String] { resolved.warnings }

        /// Prints the configuration, each value with where it came from, below what there is to say of it.
        package func printConfiguration() {
            for warning in warnings { Console.print("# warning: \(warning)") }
            for line in resolved.yamlWithOrigins.split(separator: "\n") { Console.print(String(line)) }
        }
    }

    /// Resolves the configuration.
    ///
    /// A resumed run's own `config.yaml` stands below the file and the command line.
    package func prepare() throws -> Prepared {
        guard let resume else {
            let resolved = try resolve([])
            return Prepared(directory: output ?? directoryName(resolved.configuration), resolved: resolved)
        }
        if resume == "auto" {
            let directory = try output ?? directoryName(try resolve([]).configuration)
            let saved = "\(directory)/config.yaml"
            let isThere = FileSystem.exists(saved)
            // A run of another format has keys of another time: that it is one says more than each of them.
            if let newest = try? CheckpointStore.locate(directory) {
                try RunState.requireFormat(ofCheckpointAt: newest)
            }
            return Prepared(directory: directory, resolved: try resolve(isThere ? [try carriedOver(saved)] : []))
        }
        let checkpoint = try Checkpoint.verify(try CheckpointStore.locate(resume))
        let origin = "\(checkpoint.path)/state.json"
        let saved = try RunState.read(from: checkpoint).runConfiguration(origin: origin)
        let resolved = try resolve([saved.carriedOver(origin: origin)])
        // Without a directory of its own, the run goes on where the checkpoint lies.
        let store = FileSystem.parent(of: checkpoint.path)
        let isOfRun = FileSystem.lastComponent(of: store) == RunDirectory.checkpointsName
        return Prepared(
            directory: output ?? (isOfRun ? FileSystem.parent(of: store) : directoryName(resolved.configuration)),
            resolved: resolved)
    }

    private func carriedOver(_ path: String) throws -> ConfigurationLayer {
        try RunConfiguration.resolve(layers: [ConfigurationLayer(file: path)]).carriedOver(origin: path)
    }

    private func resolve(_ below: [ConfigurationLayer]) throws -> ResolvedConfiguration<RunConfiguration> {
        let files = configFiles.map { ConfigurationLayer(file: $0) }
        return try RunConfiguration.resolveWithWarnings(
            layers: below + files + settings.map { ConfigurationLayer(override: $0) }, for: .training)
    }

    private func directoryName(_ configuration: RunConfiguration) -> String {
        let name =
            configuration.output.name
            ?? "\(configuration.data.dataset.rawValue)-\(configuration.training.method.rawValue)"
        return "results/\(name)"
    }

    /// Trains; collective.
    package func run(_ prepared: Prepared, _ communicator: any Communicator) throws -> ExitStatus {
        let configuration = prepared.configuration
        let site = try SessionSite(configuration, communicator, warnings: prepared.warnings)
        let lock = try RunLock.taken(prepared.directory, communicator)
        defer { withExtendedLifetime(lock) {} }
        // Rank 0 picks the checkpoint, the others read what it picked. Nothing that an earlier run wrote changes before
        // every rank has its data, its network and its checkpoint.
        let checkpointPath = try communicator.isRoot ? chosenCheckpoint(prepared.directory) ?? "" : ""
        let path = try Self.shared(checkpointPath, communicator)
        if !path.isEmpty { communicator.note("the reading of a checkpoint") }
        let checkpoint = path.isEmpty ? nil : try Checkpoint.verify(path)
        let trainer = try Trainer(
            configuration, communicator: communicator, threads: site.threads, checkpoint: checkpoint)
        if trainer.isFinished {
            if communicator.isRoot { Console.say("finished already, at step \(trainer.done)", .notice) }
            return .done
        }
        try trainer.requireStepsLeft()
        try communicator.barrier()
        guard communicator.isRoot else { return try trainer.run() }
        let directory = try RunDirectory(prepared.directory, opening: force ? .force : .resume)
        var environment: RunEnvironment?
        do {
            environment = try site.describe(
                configuration, in: directory, communicator,
                images: [trainer.data.train, trainer.data.evaluation.set], extra: trainer.data.extra)
            try trainer.record(in: directory, ownsCheckpoint: owns(path, directory))
            let status = try trainer.run()
            try environment.map { try directory.writeEnvironment($0.ended(status)) }
            return status
        } catch {
            // The error itself goes to stderr; a disk that is full has no room for this line either.
            try? directory.log("error: \(error)")
            try? environment.map { try directory.writeEnvironment($0.ended(ExitStatus(error))) }
            throw error
        }
    }

    private func chosenCheckpoint(_ path: String) throws -> String? {
        guard let resume else {
            if !force { _ = try RunDirectory(path, opening: .fresh) }
            return nil
        }
        if resume != "auto" {
            let place = try CheckpointStore.locate(resume)
            let directory = try RunDirectory(path, opening: .resume)
            // A new run may begin from another run's checkpoint, but not over a third one's files.
            if !owns(place, directory) { _ = try RunDirectory(path, opening: .fresh) }
            return place
        }
        let directory = try RunDirectory(path, opening: .resume)
        let (checkpoint, skipped) = try directory.checkpoints.latestWhole()
        for entry in skipped {
            Console.say("checkpoint \(entry.name) is not used: \(entry.reason)", .warning)
            try directory.log("warning: checkpoint \(entry.name) is not used: \(entry.reason)")
        }
        if checkpoint == nil {
            guard skipped.allSatisfy({ $0.name.hasPrefix(CheckpointStore.partialPrefix) }) else {
                throw RunError.checkpoint(
                    "\(path): expected a whole checkpoint, found none among those there are; "
                        + "pass --force to start anew, which removes what the run wrote")
            }
            guard !directory.lacksCheckpoints else {
                throw RunError.checkpoint(
                    "\(directory.checkpoints.directory): expected the checkpoints of the run whose rows are in \(path), or the "
                        + "mark that it has none yet, found neither: is a disk not mounted, or a link broken? --force starts "
                        + "anew, and removes what the run wrote")
            }
            Console.say("no checkpoint in \(path): starting anew")
        }
        return checkpoint?.path
    }

    /// Whether a checkpoint is one of a run directory's own.
    private func owns(_ checkpoint: String, _ directory: RunDirectory) -> Bool {
        FileSystem.areSame(FileSystem.parent(of: checkpoint), directory.checkpoints.directory)
    }

    /// Rank 0's text on every rank.
    static func shared(_ text: String, _ communicator: any Communicator) throws -> String {
        let own = communicator.isRoot ? Array(text.utf8) : []
        return String(decoding: try communicator.allGather(own), as: UTF8.self)
    }
}
