import Testing

@testable import Collectives

@Suite("Threads and cores")
struct ThreadPlacementTests {
    /// The topology of ranks that are given as host, cores online there, and mask.
    func topology(_ places: [(String, Int, String)], quota: Double? = nil) throws -> NodeTopology {
        NodeTopology(
            places: try places.map {
                NodeTopology.Place(
                    host: $0.0, onlineCores: $0.1, mask: try #require(CoreSet(parsing: $0.2)), quota: quota)
            })
    }

    @Test("The kernel's lists of cores are read and written", arguments: ["0", "0-3", "0-1,4,6-7", "127"])
    func coreSets(list: String) throws {
        #expect(try #require(CoreSet(parsing: list)).description == list)
    }

    @Test("Core lists may overlap, and the kernel's padding is ignored")
    func untidyCoreSets() {
        #expect(CoreSet(parsing: "\t3,0-2,2 \n") == CoreSet([0, 1, 2, 3]))
    }

    @Test("What is no list of cores is refused", arguments: ["", "a", "3-1", "-1", "1,,2", "1-2-3", "0-99999999"])
    func malformedCoreSets(list: String) {
        #expect(CoreSet(parsing: list) == nil)
    }

    @Test("This process may run on at least one core, and on no more than there are")
    func ownCores() {
        #expect((1...CoreSet.onlineCount).contains(CoreSet.ofThisProcess().count))
    }

    @Test("Ranks are grouped by host, in the order of the lowest rank")
    func grouping() throws {
        let hosts = try topology([("b", 4, "0-1"), ("a", 2, "0"), ("b", 4, "1-2")]).hosts
        #expect(hosts.map(\.name) == ["b", "a"])
        #expect(hosts.map(\.ranks) == [[0, 2], [1]])
        #expect(hosts[0].cores == CoreSet([0, 1, 2]) && hosts[0].onlineCores == 4 && hosts[1].onlineCores == 2)
    }

    @Test("Two bound ranks on two cores run a thread each, without a warning")
    func bound() throws {
        let placement = try topology([("node01", 2, "0"), ("node01", 2, "1")]).chooseThreads(requested: nil)
        #expect(placement.threads == [1, 1])
        #expect(placement.summary == ["node01: 2 ranks x 1 thread on 2 cores (cores 0-1)"])
        #expect(placement.warnings == [])
    }

    @Test("Free ranks divide the cores of their host, each host for itself")
    func divided() throws {
        let places = [("a", 8, "0-7"), ("a", 8, "0-7"), ("a", 8, "0-7"), ("b", 4, "0-3")]
        let placement = try topology(places).chooseThreads(requested: nil)
        #expect(placement.threads == [2, 2, 2, 4])
        #expect(
            placement.summary == [
                "a: 3 ranks x 2 threads on 8 cores (cores 0-7)", "b: 1 rank x 4 threads on 4 cores (cores 0-3)",
            ])
        #expect(placement.warnings == [])
    }

    @Test("A rank never takes more threads than the cores that it is bound to")
    func boundUnevenly() throws {
        let placement = try topology([("a", 8, "0"), ("a", 8, "1-5")]).chooseThreads(requested: nil)
        #expect(placement.threads == [1, 3])
        #expect(placement.summary == ["a: 2 ranks x 1 to 3 threads on 6 of 8 cores (cores 0-5)"])
        #expect(placement.warnings == [])
    }

    @Test("A quota of processor time divides the threads as fewer cores would")
    func quota() throws {
        let places = [("a", 8, "0-7"), ("a", 8, "0-7")]
        let placement = try topology(places, quota: 5.5).chooseThreads(requested: nil)
        #expect(placement.threads == [2, 2])
        #expect(
            placement.summary == ["a: 2 ranks x 2 threads on 8 cores (cores 0-7), of which the job may use 5.5"])
        #expect(placement.warnings == [])
        #expect(try topology(places, quota: 0.5).chooseThreads(requested: nil).threads == [1, 1])
        #expect(try topology(places, quota: 64).chooseThreads(requested: nil).threads == [4, 4])
        #expect(
            try topology(places, quota: 5.5).chooseThreads(requested: 3).warnings == [
                "a: 6 threads of 2 ranks share a quota of 5.5 cores of processor time; "
                    + "use fewer ranks or threads, or ask for more"
            ])
    }

    @Test("The ranks on a host are counted for each of them")
    func ranksBeside() throws {
        let topology = try topology([("b", 4, "0"), ("a", 2, "0"), ("b", 4, "1")])
        #expect((0..<3).map(topology.ranksBeside) == [2, 1, 2])
    }

    @Test("More ranks than cores are warned about once a host")
    func oversubscribed() throws {
        let placement = try topology([("a", 2, "0-1"), ("a", 2, "0-1"), ("a", 2, "0-1")]).chooseThreads(requested: nil)
        #expect(placement.threads == [1, 1, 1])
        #expect(placement.warnings == ["a: 3 threads of 3 ranks share 2 cores; use fewer ranks or threads"])
    }

    @Test("More threads than cores are warned about, without blaming a binding that isn't there")
    func tooManyThreads() throws {
        let placement = try topology([("a", 2, "0-1")]).chooseThreads(requested: 4)
        #expect(placement.threads == [4])
        #expect(placement.warnings == ["a: 4 threads of 1 rank share 2 cores; use fewer ranks or threads"])
    }

    @Test("Threads that a binding leaves on one core are warned about, with the remedy")
    func crowded() throws {
        let placement = try topology([("a", 8, "0"), ("a", 8, "1")]).chooseThreads(requested: 4)
        #expect(placement.threads == [4, 4])
        #expect(
            placement.warnings == [
                "a: rank 0 runs 4 threads but is bound to 1 core (core 0), and so for 1 other rank; "
                    + "start mpirun with --bind-to none, or with --map-by slot:PE=4"
            ])
    }

    @Test("A binding is blamed and the number of threads too where both are wrong")
    func crowdedAndTooMany() throws {
        let warnings = try topology([("a", 2, "0"), ("a", 2, "1")]).chooseThreads(requested: 4).warnings
        #expect(warnings.count == 2)
        #expect(warnings.last == "a: 8 threads of 2 ranks share 2 cores; use fewer ranks or threads")
    }
}
