import TestSupport
import Testing

@testable import Collectives

@Suite("Control groups")
struct ControlGroupTests {
    /// Writes the files of a process in groups; mounts are lines with the scratch folder in place of `@`.
    private func group(
        _ memberships: [String], _ mounts: [String], _ files: [String: String]
    ) throws -> ControlGroup {
        let folder = try ScratchFolder()
        try folder.write(memberships.joined(separator: "\n") + "\n", to: "self/cgroup")
        let lines = ["22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"] + mounts
        let places = lines.map { $0.split(separator: "@", omittingEmptySubsequences: false) }
        try folder.write(places.map { $0.joined(separator: folder.path) }.joined(separator: "\n"), to: "self/mountinfo")
        for (name, text) in files { try folder.write(text + "\n", to: name) }
        return ControlGroup(processFolder: folder("self"))
    }

    private static let second = "30 22 0:26 / @/unified rw,nosuid shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate"

    @Test("Version 2: the narrowest limit from the group to the root counts")
    func version2() throws {
        let found = try group(
            ["0::/job/step"], [Self.second],
            [
                "unified/cpu.max": "max 100000", "unified/job/cpu.max": "150000 100000",
                "unified/job/step/cpu.max": "400000 100000", "unified/job/memory.max": "8589934592",
                "unified/job/step/memory.max": "max", "unified/other/memory.max": "1",
            ])
        #expect(found == ControlGroup(memoryLimit: 8_589_934_592, processorQuota: 1.5))
    }

    @Test("Version 1: each controller has its own hierarchy")
    func version1() throws {
        let found = try group(
            ["9:memory:/slurm/job_7", "4:cpu,cpuacct:/slurm", "1:name=systemd:/x", "0::/"],
            [
                "31 22 0:27 / @/cpu rw shared:10 - cgroup cgroup rw,cpu,cpuacct",
                "32 22 0:28 / @/memory rw shared:11 - cgroup cgroup rw,memory", Self.second,
            ],
            [
                "memory/memory.limit_in_bytes": "9223372036854771712",
                "memory/slurm/memory.limit_in_bytes": "4294967296",
                "memory/slurm/job_7/memory.limit_in_bytes": "1073741824",
                "cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000",
                "cpu/slurm/cpu.cfs_quota_us": "250000", "cpu/slurm/cpu.cfs_period_us": "100000",
            ])
        #expect(found == ControlGroup(memoryLimit: 1 << 30, processorQuota: 2.5))
    }

    @Test("In a container the mount point is the container's own group")
    func container() throws {
        let files = ["memory/memory.limit_in_bytes": "536870912", "memory/below/memory.limit_in_bytes": "268435456"]
        func limit(_ membership: String) throws -> Int? {
            let mount = "32 22 0:28 /docker/ab @/memory ro - cgroup cgroup rw,memory"
            return try group(["9:memory:\(membership)"], [mount], files).memoryLimit
        }
        #expect(try limit("/docker/ab") == 512 << 20)
        #expect(try limit("/docker/ab/below") == 256 << 20)
        // Another group of which nothing is to be seen here, and one outside of the namespace.
        #expect(try limit("/docker/abc/below") == 512 << 20)
        #expect(try limit("/../below") == 512 << 20)
    }

    @Test("No group, no files and files of another kind are no limit")
    func unlimited() throws {
        let none = ControlGroup(memoryLimit: nil, processorQuota: nil)
        #expect(ControlGroup(processFolder: "/no/such") == none)
        #expect(try group(["0::/"], [Self.second], [:]) == none)
        let odd = ["unified/cpu.max": "fast", "unified/memory.max": "-5"]
        #expect(try group(["0::/"], [Self.second], odd) == none)
        #expect(try group(["0::/"], [Self.second], ["unified/cpu.max": "0 0"]) == none)
    }
}
