import Files
import Testing

@testable import Runs

@Suite("What schedulers say")
struct AllocationTests {
    private func hosts(_ variables: [String: String], _ file: String = "") throws -> [Allocation.Host]? {
        try Allocation.scheduled(variables) { _ in file }?.hosts
    }

    @Test("Slurm's lists of hosts")
    func slurmHosts() throws {
        #expect(
            try SlurmNotation.hosts("node[01-03,07],gpu5,r[1-2]c[08-10]x")
                == [
                    "node01", "node02", "node03", "node07", "gpu5", "r1c08x", "r1c09x", "r1c10x", "r2c08x", "r2c09x",
                    "r2c10x",
                ])
        #expect(try SlurmNotation.hosts("node[099-101]") == ["node099", "node100", "node101"])
        for wrong in ["node[1-", "node[2-1]", "node[a]", "", "a,,b", "node]", "n[0-99999999]"] {
            #expect(throws: RunError.self, "\(wrong)") { try SlurmNotation.hosts(wrong) }
        }
        #expect(SlurmNotation.counts("2(x3),1") == [2, 2, 2, 1])
        #expect(SlurmNotation.counts("16") == [16])
        for wrong in ["", "2(x", "2(3)", "a", "1,", "2(x0)"] { #expect(SlurmNotation.counts(wrong) == nil, "\(wrong)") }
    }

    @Test("Slurm's tasks count where they were asked for, its processors always")
    func slurm() throws {
        var variables = [
            "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_TASKS_PER_NODE": "1(x2)",
            "SLURM_JOB_CPUS_PER_NODE": "64,32",
        ]
        #expect(
            try hosts(variables)
                == [.init(name: "n1", ranks: nil, processors: 64), .init(name: "n2", ranks: nil, processors: 32)])
        variables["SLURM_NTASKS"] = "12"
        variables["SLURM_TASKS_PER_NODE"] = "8,4"
        variables["SLURM_CPUS_PER_TASK"] = "8"
        let found = try #require(try Allocation.scheduled(variables))
        #expect(found.hosts.map(\.ranks) == [8, 4])
        #expect(found.processorsPerRank == 8)
        #expect(found.isKnownToLauncher)
        #expect(found.source == "Slurm's job 7")
        variables["SLURM_TASKS_PER_NODE"] = "8"
        #expect(throws: RunError.self) { try hosts(variables) }
    }

    @Test("PBS's file: a line a rank where more than one was asked for, a line a processor by TORQUE")
    func portableBatchSystem() throws {
        let file = "a\na\nb\nb\n"
        #expect(
            try hosts(["PBS_NODEFILE": "f", "NCPUS": "16"], file)
                == [.init(name: "a", ranks: 2, processors: 16), .init(name: "b", ranks: 2, processors: 16)])
        #expect(
            try hosts(["PBS_NODEFILE": "f", "NCPUS": "16"], "a\nb\n")
                == [.init(name: "a", processors: 16), .init(name: "b", processors: 16)])
        #expect(
            try hosts(["PBS_NODEFILE": "f", "PBS_NUM_PPN": "2"], file)
                == [.init(name: "a", processors: 2), .init(name: "b", processors: 2)])
    }

    @Test("LSF's pairs of host and slots")
    func loadSharingFacility() throws {
        #expect(
            try hosts(["LSB_MCPU_HOSTS": "a 16 b 8"]) == [
                .init(name: "a", processors: 16), .init(name: "b", processors: 8),
            ])
        for wrong in ["a", "a b", "a 0", ""] {
            #expect(throws: RunError.self) { try hosts(["LSB_MCPU_HOSTS": wrong]) }
        }
    }

    @Test("outside of schedulers there is no allocation")
    func none() throws { #expect(try hosts(["PATH": "/bin", "OMPI_COMM_WORLD_SIZE": "2"]) == nil) }
}
