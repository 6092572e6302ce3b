import Foundation

/// What the launcher of this process says about the job in the environment, known before MPI starts.
public struct LaunchEnvironment: Equatable, Sendable {
    /// Who started this process.
    public enum Launcher: String, Sendable {
        /// Nobody in particular: a plain process.
        case none = "a shell"
        /// `mpirun` of Open MPI.
        case openMPI = "mpirun"
        /// A launcher that speaks PMI (`srun --mpi=pmi2`, other MPI libraries' `mpiexec`).
        case pmi = "a PMI launcher"
        /// A launcher that speaks PMIx (`srun --mpi=pmix`, `prun`).
        case pmix = "a PMIx launcher"
        /// `srun`, without an interface for MPI.
        case slurm = "srun"
    }

    /// Who started this process.
    public let launcher: Launcher
    /// The rank that the launcher calls this process by; 0 for a plain process.
    public let rank: Int
    /// The number of ranks that were started, nil where the launcher doesn't tell; 1 for a plain process.
    public let size: Int?
    /// This rank's place among the ranks of its host, nil where the launcher doesn't tell; 0 for a plain process.
    public let localRank: Int?
    /// What tells the job from others of the same user on a host, nil where the launcher doesn't tell.
    let job: String?

    /// The environment of this process.
    public static let current = LaunchEnvironment(ProcessInfo.processInfo.environment)

    /// Whether an MPI launcher started this process, so that MPI has to be started too.
    public var isLaunched: Bool { launcher != .none }

    /// Whether this is the process that speaks for the job before MPI starts.
    public var isRoot: Bool { rank == 0 }

    /// Reads the variables that launchers set.
    ///
    /// `SLURM_NTASKS` alone means nothing: a plain process in a batch script has it too. `SLURM_STEP_NUM_TASKS` is set
    /// by `srun` for the processes that it starts, and more than one of them need MPI.
    public init(_ variables: [String: String]) {
        func number(_ name: String) -> Int? {
            variables[name].flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
        }
        let stepSize = number("SLURM_STEP_NUM_TASKS")
        let step = variables["SLURM_JOB_ID"].flatMap { job in variables["SLURM_STEP_ID"].map { "\(job).\($0)" } }
        let job = variables["PMIX_NAMESPACE"] ?? variables["PMI_JOBID"] ?? step
        if let rank = number("OMPI_COMM_WORLD_RANK"), let size = number("OMPI_COMM_WORLD_SIZE") {
            self.init(.openMPI, rank, size, number("OMPI_COMM_WORLD_LOCAL_RANK"), job)
        } else if let rank = number("PMI_RANK") {
            self.init(
                .pmi, rank, number("PMI_SIZE") ?? stepSize, number("MPI_LOCALRANKID") ?? number("SLURM_LOCALID"), job)
        } else if let rank = number("PMIX_RANK") {
            self.init(.pmix, rank, stepSize, number("SLURM_LOCALID"), job)
        } else if let rank = number("SLURM_PROCID"), let stepSize, stepSize > 1 {
            self.init(.slurm, rank, stepSize, number("SLURM_LOCALID"), job)
        } else {
            self.init(.none, 0, 1, 0, nil)
        }
    }

    private init(_ launcher: Launcher, _ rank: Int, _ size: Int?, _ localRank: Int?, _ job: String?) {
        self.launcher = launcher
        self.rank = rank
        self.size = size
        self.localRank = localRank
        self.job = job
    }
}
