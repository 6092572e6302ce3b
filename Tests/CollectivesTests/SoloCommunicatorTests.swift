import Testing

@testable import Collectives

@Suite("A process that is alone")
struct SoloCommunicatorTests {
    let communicator = SoloCommunicator()

    @Test("A solo communicator is rank 0 of 1, on its host too")
    func identity() {
        #expect(communicator.isRoot && communicator.rank == 0 && communicator.size == 1)
        #expect(communicator.localRank == 0 && communicator.localSize == 1 && !communicator.hostName.isEmpty)
    }

    @Test("Collectives over one rank leave its values as they are")
    func identities() throws {
        for reduction in [Reduction.sum, .max, .min] {
            #expect(try communicator.allReduce(2.5, reduction) == 2.5)
        }
        #expect(try communicator.allGather([Float(1), 2]) == [1, 2])
        #expect(communicator.allGatherCounted([Int64(4)]) == ([4], [1]))
        #expect(communicator.gather([1, 2, 3], to: 0) == [[1, 2, 3]])
        var bytes: [UInt8] = [5, 6]
        bytes.withUnsafeMutableBytes { communicator.broadcast($0, from: 0) }
        #expect(bytes == [5, 6])
        var values: [Float] = [1, -1]
        let isDone = try values.withUnsafeMutableBufferPointer { try communicator.startAllReduceSum($0).test() }
        #expect(isDone)
        #expect(values == [1, -1])
    }

    @Test("The fixed-order sum adds the contributions in their order, into the first one too")
    func fixedOrder() throws {
        let shards: [[Float]] = [[1e8, 1], [1, 2], [-1e8, 3]]
        let pointers = shards.map { shard in
            let copy = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2)
            _ = copy.initialize(from: shard)
            return copy
        }
        defer { for pointer in pointers { pointer.deallocate() } }
        communicator.sumInFixedOrder(contributions: pointers, into: pointers[0])
        #expect(Array(pointers[0]) == [0, 6])
        #expect(Array(pointers[1]) == [1, 2])
        #expect(try communicator.sumInFixedOrder(contributions: [[1e16, 1], [1, 2], [-1e16, 3]]) == [0, 6])
        #expect(try communicator.sumInFixedOrder(contributions: [[], []]) == [])
    }

    @Test("A plain process gets a solo communicator, and what its work returns or throws")
    func scope() throws {
        let plain = LaunchEnvironment([:])
        #expect(try withCommunicator(plain) { $0 is SoloCommunicator })
        struct Failure: Error {}
        #expect(throws: Failure.self) { try withCommunicator(plain) { _ in throw Failure() } }
    }

    @Test("Aborting ends the process with the given status")
    func aborts() async {
        await #expect(processExitsWith: .exitCode(75)) { SoloCommunicator().abort(exitCode: 75) }
    }

    @Test("An error names call, rank, host, count and cause")
    func errors() {
        let error = CollectiveError(
            call: "MPI_Iallreduce", rank: 1, size: 4, host: "node02", count: 65537,
            place: "step 17, backward, fc.bias",
            cause: .noAnswer(
                elapsedSeconds: 300.04,
                silent: [SilentRank(rank: 2, host: "node03", seconds: 299.96, place: "step 17, attack, pass 3")]))
        #expect(
            error.description == "MPI_Iallreduce on rank 1 of 4 (host node02), 65537 elements, "
                + "in step 17, backward, fc.bias: expected every rank to take part, waited 300.0 s; "
                + "rank 2 (host node03) is silent for 300.0 s, last in step 17, attack, pass 3"
        )
        #expect(!error.isEnvironmental)
    }

    @Test("A start that does not come to an end names who stands still")
    func start() {
        func error(_ standing: [StandingRank], elsewhere: [Int] = []) -> CollectiveError {
            CollectiveError(
                call: "MPI_Init_thread", rank: 0, size: 3, host: "node02", count: nil,
                cause: .noReturn(elapsedSeconds: 20, standing: standing, elsewhere: elsewhere))
        }
        let ranks = [
            StandingRank(rank: 1, process: 71, isStopped: true), StandingRank(rank: 2, process: 72, isStopped: false),
        ]
        #expect(
            error(ranks).description == "MPI_Init_thread on rank 0 of 3 (host node02): "
                + "expected every rank to make this call, waited 20.0 s; rank 1 (process 71 of this host) is stopped, by a signal or a debugger; "
                + "rank 2 (process 72 of this host) has not made it")
        #expect(
            error([], elsewhere: [1, 2]).description.hasSuffix(
                "so one on another host (rank 1; rank 2), or the network between, stands still"))
        #expect(!error([]).isEnvironmental)
    }

    @Test(
        "A world smaller than the launcher's is found and blamed on the environment",
        .enabled(if: !LaunchEnvironment.current.isLaunched, "a rank of a job can't start another world"))
    func wrongWorld() async {
        await #expect(processExitsWith: .exitCode(42)) {
            do throws(CollectiveError) {
                _ = try MPICommunicator.start(
                    LaunchEnvironment(["OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"]))
            } catch {
                let isRight = error.cause == .wrongWorld(launcher: "mpirun", expected: 2, found: 1)
                SoloCommunicator().abort(exitCode: isRight && error.isEnvironmental ? 42 : 1)
            }
        }
    }
}
