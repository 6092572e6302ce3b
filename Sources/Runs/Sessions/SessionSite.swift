import Collectives
import Configuration
import Datasets
import Files
import Foundation
import Tensors

/// Where a session runs: its hosts, the threads of each rank, OpenBLAS on one thread.
struct SessionSite {
    let topology: NodeTopology
    let placement: ThreadPlacement
    /// Threads of this rank.
    let threads: Int
    /// What rank 0 has said to be careful about.
    let warnings: [String]
    private let started = Date()

    /// Finds out, and lets rank 0 say it; collective.
    ///
    /// Throws where ranks were started with other settings, as another program, or with other weights.
    /// - Parameters:
    ///   - warnings: What else there is to be careful about.
    ///   - weights: What tells the weights that the session begins with from others, if there are any.
    init(
        _ configuration: RunConfiguration, _ communicator: any Communicator, warnings: [String] = [],
        weights: String? = nil
    ) throws {
        try RankAgreement(settingsOf: configuration).require(communicator)
        try RankAgreement(RankAgreement.program.merging(weights.map { ["weights": $0] } ?? [:]) { $1 })
            .require(communicator)
        MatrixProduct.useOneThread()
        topology = try NodeTopology.gather(communicator)
        let requested: Int? = if case .given(let count) = configuration.distributed.threads { count } else { nil }
        placement = topology.chooseThreads(requested: requested)
        threads = placement.threads[communicator.rank]
        self.warnings = placement.warnings + warnings
        guard communicator.isRoot else { return }
        for line in placement.summary + [RunEnvironment.kernelLine] { Console.say(line) }
        for warning in self.warnings { Console.say(warning, .warning) }
    }

    /// Writes what runs, how and where: `config.yaml`, `command.txt` and `environment.json`; rank 0 alone.
    /// - Parameters:
    ///   - images: What is trained on and evaluated.
    ///   - extra: What is trained on beside it.
    ///   - attackFiles: See ``AttackMaterial/files(of:)``.
    /// - Returns: What is in `environment.json`, for the session's end.
    @discardableResult
    func describe(
        _ configuration: RunConfiguration, in directory: RunDirectory, _ communicator: any Communicator,
        images: [ImageSet], extra: ImageSet? = nil, attackFiles: [String: [String]] = [:]
    ) throws -> RunEnvironment {
        try directory.writeConfiguration(configuration.yaml())
        try directory.writeCommand(LauncherProcess()?.words ?? CommandLine.arguments)
        var digests = Dictionary(images.map { ($0.split.rawValue, $0.contentDigest) }) { $1 }
        digests["extra"] = extra?.contentDigest
        let environment = RunEnvironment(
            topology: topology, communicator: communicator, threads: threads, started: started,
            data: digests, attackFiles: attackFiles)
        try directory.writeEnvironment(environment)
        for warning in warnings { try directory.log("warning: \(warning)") }
        return environment
    }
}
