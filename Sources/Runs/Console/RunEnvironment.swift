import Collectives
import Files
import Foundation
import Tensors

/// What a run ran on (`environment.json`).
struct RunEnvironment: Encodable {
    let hosts: [String]
    let ranks: Int
    let threadsPerRank: Int
    let mpi: String
    let blas: String
    let blasKernel: String
    let processor: String
    let version: String
    let commit: String
    let startedAt: String

    enum CodingKeys: String, CodingKey {
        case hosts, ranks, mpi, blas, processor, version, commit
        case threadsPerRank = "threads_per_rank"
        case blasKernel = "blas_kernel"
        case startedAt = "started_at"
    }

    init(topology: NodeTopology, communicator: any Communicator, threads: Int) {
        hosts = topology.hosts.map(\.name)
        ranks = communicator.size
        threadsPerRank = threads
        mpi = communicator is SoloCommunicator ? "none" : MPICommunicator.libraryVersion
        blas = MatrixProduct.libraryDescription
        blasKernel = MatrixProduct.kernelName
        processor = KernelText.processor.value("model name") ?? "unknown"
        version = Version.current
        // The launch scripts know the checkout; the program alone cannot.
        commit = ProcessInfo.processInfo.environment["ROBUSTMOE_COMMIT"] ?? "unknown"
        startedAt = Date().ISO8601Format()
    }

    /// The BLAS kernels in use, as a person reads them.
    static var kernelLine: String { "OpenBLAS kernels: \(MatrixProduct.kernelName)" }
}

/// The program's version.
package enum Version {
    /// Semantic version of this build.
    package static let current = "0.1.0"
}
