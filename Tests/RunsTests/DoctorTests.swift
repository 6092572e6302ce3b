import Collectives
import Files
import TestSupport
import Testing

@testable import Runs

@Suite("The doctor")
struct DoctorTests {
    @Test(
        "a launch that would not bring ranks together is told before MPI starts",
        arguments: [
            ([:], DoctorCheck.Status.ok, "a plain process"),
            (["OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "4"], .ok, "mpirun started 4 ranks"),
            (["PMIX_RANK": "0"], .error, "left over"), (["PMIX_RANK": "0", "PMIX_NAMESPACE": "n"], .ok, "PMIx"),
            (["SLURM_NTASKS": "8"], .warning, "Slurm's job of 8 tasks"),
            (["SLURM_NTASKS": "1"], .ok, "a plain process"),
            (
                ["SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4"], .error,
                "srun started 4 ranks without"
            ),
        ])
    func launch(_ variables: [String: String], _ status: DoctorCheck.Status, _ phrase: String) throws {
        let check = try #require(LaunchChecks.run(variables).first)
        #expect(check.status == status)
        #expect(check.found.contains(phrase), "\(check.found)")
        #expect((check.advice == nil) == (status == .ok))
    }

    @Test("kernels of BLAS are the processor's widest, or what to type is said")
    func kernels() {
        func status(_ name: String, _ level: Int) -> DoctorCheck.Status {
            HostChecks.kernels(named: name, level: level, library: "").status
        }
        #expect(status("SkylakeX", 4) == .ok && status("Cooperlake", 4) == .ok && status("Haswell", 4) == .warning)
        #expect(status("Haswell", 3) == .ok && status("Zen", 3) == .ok && status("Prescott", 3) == .warning)
        #expect(status("Prescott", 1) == .ok && status("NEOVERSEN1", 0) == .ok)
    }

    @Test("memory is the job's where that is less, for all ranks of the host")
    func memory() {
        #expect(HostChecks.memory(available: 8 << 30, limit: nil, ranks: 8).status == .ok)
        #expect(HostChecks.memory(available: 8 << 30, limit: 1 << 30, ranks: 8).status == .warning)
        #expect(HostChecks.memory(available: 1 << 30, limit: 8 << 30, ranks: 8).found.hasPrefix("1024 MiB for 8 ranks"))
    }

    @Test("limits are read from the kernel's table")
    func limits() {
        let table = """
            Limit                     Soft Limit           Hard Limit           Units
            Max open files            1024                 524288               files
            Max locked memory         unlimited            unlimited            bytes
            """
        #expect(HostChecks.limit("Max open files", in: table) == 1024)
        #expect(HostChecks.limit("Max locked memory", in: table) == nil)
        #expect(HostChecks.limit("Max open files").map { $0 > 0 } ?? true)
    }

    @Test("a disk that is slow or full is a warning, one that cannot be written to an error, and nothing is left there")
    func storage() throws {
        #expect(StorageCheck.judged("d", rate: 200e6, small: 0.01, free: 8 << 30).status == .ok)
        #expect(StorageCheck.judged("d", rate: 5e6, small: 0.01, free: nil).status == .warning)
        #expect(StorageCheck.judged("d", rate: 200e6, small: 2, free: nil).status == .warning)
        #expect(StorageCheck.judged("d", rate: 200e6, small: 0.01, free: 100 << 20).status == .warning)
        #expect(StorageCheck.run("/proc/no/such").status == .error)
        let folder = try ScratchFolder()
        #expect(StorageCheck.run(folder("new")).status != .error)
        #expect(try folder.names().isEmpty)
    }

    @Test("a sum that is far from the link's rate is a warning")
    func sums() {
        #expect(NetworkChecks.sum(bytes: 1 << 20, seconds: 0.002, moved: 1e6, link: 1e9).status == .ok)
        #expect(NetworkChecks.sum(bytes: 1 << 20, seconds: 0.1, moved: 1e6, link: 1e9).status == .warning)
    }

    @Test("the verdict is that of the worst check, and hosts that say the same share a line")
    func report() {
        func check(_ status: DoctorCheck.Status, _ host: String) -> DoctorCheck {
            DoctorCheck(check: "x", status: status, found: "f \(status)", advice: nil, hosts: [host])
        }
        let well = DoctorReport([check(.ok, "a"), check(.ok, "b")])
        #expect(well.verdict == "all is well" && well.exitStatus == 0)
        #expect(well.checks.map(\.hosts) == [["a", "b"]])
        let warned = DoctorReport([check(.ok, "a"), check(.warning, "b")])
        #expect(warned.verdict == "runs can start; 1 warning" && warned.exitStatus == 0)
        #expect(warned.lines[1].contains("b: f warning"))
        let failed = DoctorReport([check(.error, "a"), check(.warning, "b"), check(.warning, "c")])
        #expect(failed.verdict == "runs will fail; 1 error, 1 warning" && failed.exitStatus == 7)
    }

    @Test("a process alone is checked without MPI")
    func solo() throws {
        let folder = try ScratchFolder()
        let session = DoctorSession(output: folder("runs"), asJSON: true)
        #expect(try session.run(SoloCommunicator()) == .done)
        #expect(!folder.exists("runs"))
    }
}
