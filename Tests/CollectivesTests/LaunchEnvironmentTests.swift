import Testing

@testable import Collectives

@Suite("What a process knows before MPI starts")
struct LaunchEnvironmentTests {
    @Test("A plain process is rank 0 of 1 and needs no MPI")
    func plainProcess() {
        let launch = LaunchEnvironment(["HOME": "/", "OMPI_MCA_btl": "self"])
        #expect(!launch.isLaunched && launch.isRoot && launch.rank == 0 && launch.size == 1 && launch.localRank == 0)
    }

    @Test("mpirun tells rank, size and local rank, whatever else stands beside them")
    func openMPI() {
        let launch = LaunchEnvironment([
            "OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
            "PMIX_RANK": "7", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2",
        ])
        #expect(launch.launcher == .openMPI && launch.isLaunched && !launch.isRoot)
        #expect(launch.rank == 5 && launch.size == 8 && launch.localRank == 1)
    }

    @Test("PMI and PMIx launchers are known, the size coming from Slurm where they don't tell it")
    func processManagers() {
        let pmi = LaunchEnvironment(["PMI_RANK": "2", "PMI_SIZE": "3"])
        #expect(pmi.launcher == .pmi && pmi.rank == 2 && pmi.size == 3 && pmi.localRank == nil)
        let pmix = LaunchEnvironment(["PMIX_RANK": "1", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "0"])
        #expect(pmix.launcher == .pmix && pmix.rank == 1 && pmix.size == 4 && pmix.localRank == 0)
        #expect(LaunchEnvironment(["PMIX_RANK": "1"]).size == nil)
    }

    @Test("srun is told apart from a plain process in a batch script that asked for several tasks")
    func slurm() {
        let task = LaunchEnvironment(["SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4"])
        #expect(task.launcher == .slurm && task.rank == 3 && task.size == 4)
        #expect(!LaunchEnvironment(["SLURM_PROCID": "0", "SLURM_NTASKS": "4"]).isLaunched)
        #expect(!LaunchEnvironment(["SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"]).isLaunched)
    }

    @Test(
        "Values that are no counts are as good as absent",
        arguments: ["", "two", "-1"])
    func malformed(value: String) {
        #expect(!LaunchEnvironment(["OMPI_COMM_WORLD_RANK": value, "OMPI_COMM_WORLD_SIZE": "2"]).isLaunched)
    }
}
