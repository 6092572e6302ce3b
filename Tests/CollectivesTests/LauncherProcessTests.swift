import Foundation
import TestSupport
import Testing

@testable import Collectives

@Suite("How a job was started")
struct LauncherProcessTests {
    private let underMPI = LaunchEnvironment(["OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"])

    /// A launcher whose parent has these words and this output.
    private func launcher(_ launch: LaunchEnvironment, _ line: String, output: String = "/tmp/log") throws
        -> LauncherProcess?
    {
        let folder = try ScratchFolder()
        try folder.write(line, to: "cmdline")
        try FileManager.default.createDirectory(atPath: folder("fd"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: folder("fd/1"), withDestinationPath: output)
        return withExtendedLifetime(folder) { LauncherProcess(launch, folder: folder.path) }
    }

    @Test("The launcher's whole line counts, empty words included")
    func line() throws {
        let found = try launcher(underMPI, "/usr/bin/mpirun\0-np\02\0-x\0\0robustmoe\0train\0a=b c\0")
        #expect(found?.words == ["/usr/bin/mpirun", "-np", "2", "-x", "", "robustmoe", "train", "a=b c"])
        #expect(try launcher(underMPI, "mpirun.openmpi\0-np\02\0robustmoe\0")?.words.count == 4)
    }

    @Test("A process without a launcher as its parent sees none")
    func none() throws {
        #expect(try launcher(LaunchEnvironment([:]), "/usr/bin/mpirun\0-np\01\0robustmoe\0") == nil)
        for parent in ["orted\0--hnp-uri\0x\0", "bash\0mpirun\0", ""] {
            #expect(try launcher(underMPI, parent) == nil)
        }
        #expect(LauncherProcess(underMPI, folder: "/no/such/folder") == nil)
    }

    @Test("A launcher writes to a terminal or elsewhere", arguments: [("/dev/pts/3", true), ("/tmp/log", false)])
    func terminal(_ output: String, _ isTerminal: Bool) throws {
        let found = try #require(try launcher(underMPI, "mpirun\0robustmoe\0", output: output))
        #expect(found.terminal == (isTerminal ? output : nil))
    }

    @Test("the kernel's files are read past their first page")
    func pages() throws {
        let maps = try #require(kernelText("/proc/self/smaps"))
        #expect(maps.utf8.count > 1 << 14 && maps.hasSuffix("\n"))
        #expect(kernelText("/no/such/file") == nil)
    }

    @Test("transports are the components that move data")
    func transports() {
        let maps = """
            7f00-7f01 r-xp 0 08:01 1 /usr/lib/openmpi/lib/openmpi3/mca_btl_vader.so
            7f02-7f03 r--p 0 08:01 1 /usr/lib/openmpi/lib/openmpi3/mca_btl_vader.so
            7f04-7f05 r-xp 0 08:01 1 /usr/lib/openmpi/lib/openmpi3/mca_pml_ob1.so
            7f06-7f07 r-xp 0 08:01 1 /usr/lib/openmpi/lib/openmpi3/mca_coll_tuned.so
            7f08-7f09 r-xp 0 08:01 1 /usr/lib/libmpi.so.40
            """
        #expect(MPITransports.components(in: maps) == ["btl vader", "pml ob1"])
    }
}
