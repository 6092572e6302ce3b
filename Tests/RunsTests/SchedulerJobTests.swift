import Testing

@testable import Runs

@Suite("Jobs of schedulers")
struct SchedulerJobTests {
    @Test("The scheduler's job is told by its variables")
    func job() {
        #expect(SchedulerJob(["SLURM_JOB_ID": "17", "HOME": "/"])?.scheduler == "Slurm")
        #expect(SchedulerJob(["PBS_JOBID": "17.head"])?.id == "17.head")
        #expect(SchedulerJob(["SLURM_JOB_ID": ""]) == nil)
    }
}
