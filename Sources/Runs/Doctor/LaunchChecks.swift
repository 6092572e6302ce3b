import Collectives
import Files
import Foundation

/// What can be known of the launch before MPI starts: whether the processes will find each other.
enum LaunchChecks {
    /// Looks at the environment of a process.
    static func run(
        _ variables: [String: String] = ProcessInfo.processInfo.environment
    ) -> [DoctorCheck] {
        let launch = LaunchEnvironment(variables)
        let size = launch.size.map { "\($0) rank\($0 == 1 ? "" : "s")" } ?? "a number of ranks that it does not tell"
        let tasks = variables["SLURM_NTASKS"].flatMap { Int($0) } ?? 1
        switch launch.launcher {
        case .none where tasks > 1 && variables["SLURM_STEP_NUM_TASKS"] == nil:
            return [
                .warning(
                    "launch", "a plain process in Slurm's job of \(tasks) tasks: it would run alone",
                    advice: "launch/train ..., mpirun robustmoe ..., or srun --mpi=pmix robustmoe ...")
            ]
        case .none: return [.ok("launch", "a plain process: one rank, without MPI")]
        case .slurm:
            return [
                .error(
                    "launch", "srun started \(size) without an interface for MPI: each would run alone",
                    advice:
                        "srun --mpi=pmix robustmoe ... (srun --mpi=list shows what there is), or mpirun robustmoe ...")
            ]
        case .pmix where !variables.keys.contains { $0.hasPrefix("PMIX_SERVER_URI") || $0 == "PMIX_NAMESPACE" }:
            return [
                .error(
                    "launch", "PMIX_RANK is set, but there is no PMIx server: it is left over in the environment",
                    advice: "unset PMIX_RANK")
            ]
        case .openMPI, .pmi, .pmix: return [.ok("launch", "\(launch.launcher.rawValue) started \(size)")]
        }
    }
}
