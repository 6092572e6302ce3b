import Collectives
import Files
import Foundation
import Tensors

/// What a run ran on (`environment.json`).
struct RunEnvironment: Encodable {
    /// The ranks of a host.
    struct HostRanks: Encodable {
        let host: String
        /// Ranks, and the cores that they may run on, as lists of numbers and spans.
        let ranks: String
        let cores: String
        let onlineCores: Int

        enum CodingKeys: String, CodingKey {
            case host, ranks, cores
            case onlineCores = "online_cores"
        }
    }

    let hosts: [String]
    let ranks: Int
    let ranksOfHosts: [HostRanks]
    let threadsPerRank: Int
    let scheduler: String?
    let jobID: String?
    let mpi: String
    let blas: String
    let blasKernel: String
    let processor: String
    let version: String
    let commit: String
    let build: String
    let compiler: String
    /// The SHA-256 of the images of each split that was read, and of `extra`, see `ImageSet.contentDigest`.
    let dataSHA256: [String: String]
    /// The SHA-256 of the files that attacks were made with, by where these lay; nil where there were none.
    let attackFiles: [String: [String]]?
    let startedAt: String
    /// When the session ended, and with which exit status; nil while it runs, and where it was killed.
    var endedAt: String?
    var exitStatus: Int32?

    enum CodingKeys: String, CodingKey {
        case hosts, ranks, mpi, blas, processor, version, commit, build, compiler, scheduler
        case ranksOfHosts = "ranks_of_hosts"
        case threadsPerRank = "threads_per_rank"
        case jobID = "job_id"
        case blasKernel = "blas_kernel"
        case dataSHA256 = "data_sha256"
        case attackFiles = "attack_files_sha256"
        case startedAt = "started_at"
        case endedAt = "ended_at"
        case exitStatus = "exit_status"
    }

    init(
        topology: NodeTopology, communicator: any Communicator, threads: Int, started: Date, data: [String: String],
        attackFiles: [String: [String]] = [:]
    ) {
        hosts = topology.hosts.map(\.name)
        ranks = communicator.size
        ranksOfHosts = topology.hosts.map {
            HostRanks(
                host: $0.name, ranks: "\(CoreSet($0.ranks))", cores: "\($0.cores)", onlineCores: $0.onlineCores)
        }
        threadsPerRank = threads
        let job = SchedulerJob.current
        scheduler = job?.scheduler
        jobID = job?.id
        mpi = communicator is SoloCommunicator ? "none" : MPICommunicator.libraryVersion
        blas = MatrixProduct.libraryDescription
        blasKernel = MatrixProduct.kernelName
        processor = KernelText.processor.value("model name") ?? "unknown"
        version = Version.current
        commit = Version.commit
        build = Version.build
        compiler = Version.compiler
        dataSHA256 = data
        self.attackFiles = attackFiles.isEmpty ? nil : attackFiles
        startedAt = started.ISO8601Format()
    }

    /// The SHA-256 of the files that a session's attacks were made with, as its `environment.json` tells.
    static func attackFiles(in directory: RunDirectory) throws -> [String: [String]] {
        struct Told: Decodable {
            let files: [String: [String]]?
            enum CodingKeys: String, CodingKey { case files = "attack_files_sha256" }
        }
        let path = directory.file(RunDirectory.environmentName)
        do {
            return try JSONDecoder().decode(Told.self, from: Data(FileSystem.text(of: path).utf8)).files ?? [:]
        } catch let error as DecodingError {
            throw RunError.checkpoint("\(path): expected what an evaluation ran on, found \(error)".printableLine)
        }
    }

    /// The same of a session that ends now.
    func ended(_ status: ExitStatus) -> RunEnvironment {
        var environment = self
        environment.endedAt = Date().ISO8601Format()
        environment.exitStatus = status.rawValue
        return environment
    }

    /// The BLAS kernels in use, as a person reads them.
    static var kernelLine: String { "OpenBLAS kernels: \(MatrixProduct.kernelName)" }
}
