import Collectives
import TestSupport
import Testing

@testable import Runs

@Suite("How a job was started") struct LaunchedCommandTests {
    private let underMPI = LaunchEnvironment(["OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"])
    private let ownWords = ["robustmoe", "train", "a=b c"]

    private func words(_ launch: LaunchEnvironment, parent: String) throws -> [String] {
        let scratch = try ScratchFolder()
        let file = try scratch.write(parent, to: "cmdline")
        return LaunchedCommand.words(own: ownWords, launch: launch, parent: file)
    }

    @Test("The launcher's whole line counts, empty words included")
    func launcher() throws {
        let line = "/usr/bin/mpirun\0-np\02\0-x\0\0robustmoe\0train\0a=b c\0"
        #expect(
            try words(underMPI, parent: line)
                == ["/usr/bin/mpirun", "-np", "2", "-x", "", "robustmoe", "train", "a=b c"])
    }

    @Test("Without a launcher as its parent a process has its own words")
    func own() throws {
        #expect(try words(LaunchEnvironment([:]), parent: "/usr/bin/mpirun\0-np\01\0robustmoe\0") == ownWords)
        for parent in ["orted\0--hnp-uri\0x\0", "bash\0mpirun\0", ""] {
            #expect(try words(underMPI, parent: parent) == ownWords)
        }
        #expect(LaunchedCommand.words(own: ownWords, launch: underMPI, parent: "/no/such/file") == ownWords)
    }

    @Test("The scheduler's job is told by its variables")
    func job() {
        #expect(SchedulerJob(["SLURM_JOB_ID": "17", "HOME": "/"])?.scheduler == "Slurm")
        #expect(SchedulerJob(["PBS_JOBID": "17.head"])?.id == "17.head")
        #expect(SchedulerJob(["SLURM_JOB_ID": ""]) == nil)
    }
}
