import Foundation

/// The job of a scheduler that this process is part of.
struct SchedulerJob: Equatable {
    /// The scheduler's name.
    let scheduler: String
    /// What it calls the job.
    let id: String

    /// The job of this process; nil where no scheduler says that there is one.
    static let current = SchedulerJob(ProcessInfo.processInfo.environment)

    private static let variables = [
        ("Slurm", "SLURM_JOB_ID"), ("PBS", "PBS_JOBID"), ("LSF", "LSB_JOBID"), ("Flux", "FLUX_JOB_ID"),
        ("Grid Engine", "JOB_ID"),
    ]

    /// Reads the variables that schedulers set.
    init?(_ variables: [String: String]) {
        for (scheduler, name) in Self.variables {
            guard let id = variables[name], !id.isEmpty else { continue }
            (self.scheduler, self.id) = (scheduler, id)
            return
        }
        return nil
    }
}
