import Collectives
import Files
import TestSupport
import Testing

@testable import Runs

@Suite("Ranks and threads for each host")
struct RankLayoutTests {
    /// 16 cores of two processors each, in two NUMA domains.
    private let machine = MachineShape(domains: [CoreSet(0..<8), CoreSet(8..<16)], processorsPerCore: 2)

    private func allocation(_ hosts: [Allocation.Host]) -> Allocation { Allocation(source: "mine", hosts: hosts) }

    private func layout(
        _ allocation: Allocation, _ unit: RankLayout.Unit? = nil, ranks: Int? = nil, threads: Int? = nil,
        quota: Double? = nil
    ) throws -> RankLayout {
        try RankLayout(allocation, machine: machine, unit: unit, ranks: ranks, threads: threads, quota: quota)
    }

    @Test("a machine of two domains: a rank a domain, a core, or all of it; a quota counts as cores")
    func units() throws {
        #expect(
            try layout(.thisMachine).launcherWords.joined(separator: " ")
                == "mpirun -np 2 --map-by ppr:2:node:PE=8 --bind-to core")
        #expect(
            try layout(.thisMachine, .core).launcherWords.joined(separator: " ")
                == "mpirun -np 16 --map-by ppr:16:node:PE=1 --bind-to core")
        #expect(try layout(.thisMachine, .host).hosts == [.init(name: "localhost", ranks: 1, threads: 16, cores: 16)])
        #expect(try layout(.thisMachine, .core, quota: 3.5).ranks == 3)
        #expect(try layout(.thisMachine, quota: 8).hosts.map(\.threads) == [8])
        #expect(throws: RunError.self) { try layout(.thisMachine, .slot) }
    }

    @Test("slots are ranks, and share their host's cores; unequal hosts are named with their ranks")
    func slots() throws {
        let even = allocation([.init(name: "a", ranks: 4), .init(name: "b", ranks: 4)])
        #expect(
            try layout(even).launcherWords.joined(separator: " ")
                == "mpirun -np 8 --host a:4,b:4 --map-by ppr:4:node:PE=4 --bind-to core")
        let uneven = allocation([.init(name: "a", ranks: 2), .init(name: "b", ranks: 1)])
        #expect(
            try layout(uneven, threads: 8).launcherWords.joined(separator: " ")
                == "mpirun -np 3 --host a:2,b:1 --map-by slot:PE=8 --bind-to core")
        #expect(try layout(even, .domain).hosts.map(\.ranks) == [2, 2])
    }

    @Test("too many ranks or threads for the cores are not bound")
    func crowded() throws {
        let many = allocation([.init(name: "a", ranks: 40)])
        #expect(
            try layout(many).launcherWords.joined(separator: " ")
                == "mpirun -np 40 --host a:40 --map-by slot --bind-to none --oversubscribe")
        #expect(try layout(.thisMachine, .domain, threads: 16).isCrowded)
    }

    @Test("a number of ranks fills one host after the other, and more than fit are refused")
    func numberOfRanks() throws {
        let hosts = allocation([.init(name: "a"), .init(name: "b"), .init(name: "c")])
        #expect(try layout(hosts, ranks: 3).hosts.map(\.ranks) == [2, 1])
        #expect(try layout(hosts, ranks: 2).launcherWords.contains("a:2"))
        for wrong in [0, 7] { #expect(throws: RunError.self) { try layout(hosts, ranks: wrong) } }
    }

    @Test("a scheduler's processors are threads of cores, and its hosts are left to mpirun where all are used alike")
    func scheduled() throws {
        var given = Allocation(
            source: "Slurm's job 1",
            hosts: [.init(name: "a", ranks: 2, processors: 32), .init(name: "b", ranks: 2, processors: 32)],
            processorsPerRank: 8, isKnownToLauncher: true)
        #expect(
            try layout(given).launcherWords.joined(separator: " ")
                == "mpirun -np 4 --map-by ppr:2:node:PE=4 --bind-to core")
        #expect(try layout(given, ranks: 2).launcherWords.contains("a:2"))
        given.processorsPerRank = nil
        #expect(try layout(given).threads == 8)
        let half = Allocation(source: "LSF's job 1", hosts: [.init(name: "a", processors: 16)])
        #expect(try layout(half).hosts == [.init(name: "a", ranks: 1, threads: 8, cores: 8)])
    }

    @Test("ranks of a job plan for the job itself, unless they are asked for another one")
    func ofJob() throws {
        let places = [("a", 0), ("a", 1), ("b", 0), ("b", 1)].map { host, core in
            NodeTopology.Place(host: host, onlineCores: 2, mask: CoreSet([core]))
        }
        var options = LaunchOptions()
        let own = try options.layout(ofJob: NodeTopology(places: places))
        #expect(own.allocation.source == "this job")
        #expect(own.layout.hosts.map(\.name) == ["a", "b"])
        #expect(own.layout.hosts.map(\.ranks) == [2, 2])
        #expect(own.layout.threads == 1)
        options.unit = .host
        #expect(try options.layout(ofJob: NodeTopology(places: places)).layout.ranks == 1)
        #expect(try LaunchOptions().layout(ofJob: NodeTopology(places: [places[0]])).allocation == .thisMachine)
    }

    @Test("hosts that are alike share a line")
    func summary() throws {
        let hosts = allocation((1...4).map { .init(name: "n\($0)") } + [.init(name: "m", processors: 8)])
        #expect(
            try layout(hosts).summary == [
                "n1 to n4 (4 hosts): 2 ranks x 8 threads on 16 cores each", "m: 1 rank x 4 threads on 4 cores",
            ])
    }

    @Test("cores and domains are read from the kernel's files, as far as the process may use them")
    func machineShape() throws {
        let folder = try ScratchFolder()
        try folder.write("0-1\n", to: "node/online")
        try folder.write("0-1,4-5\n", to: "node/node0/cpulist")
        try folder.write("2-3,6-7\n", to: "node/node1/cpulist")
        for processor in 0..<8 {
            try folder.write(
                "\(processor % 4),\(processor % 4 + 4)\n",
                to: "cpu/cpu\(processor)/topology/thread_siblings_list")
        }
        #expect(
            MachineShape(folder: folder.path, allowed: CoreSet(0..<8))
                == MachineShape(domains: [CoreSet([0, 1]), CoreSet([2, 3])], processorsPerCore: 2))
        #expect(
            MachineShape(folder: folder.path, allowed: CoreSet([1, 2, 5, 6])).domains == [CoreSet([1]), CoreSet([2])])
        #expect(MachineShape(folder: folder("none"), allowed: CoreSet([3, 4])).domains == [CoreSet([3, 4])])
    }
}
