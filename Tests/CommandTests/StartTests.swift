import Foundation
import Testing

extension CommandSuite {
    @Suite("The start of a job", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct StartTests {
        /// What keeps a rank from MPI, for a shell that is to become the rank.
        enum Obstacle: String {
            case stopped = "kill -STOP $$"
            case late = "exec sleep 120"
        }

        @Test(
            "a rank that stands still before MPI starts is named with its host and the call, and ends the job in time",
            arguments: [(Obstacle.stopped, 1, 2), (.stopped, 0, 3), (.late, 2, 3)])
        func standing(_ obstacle: Obstacle, _ rank: Int, _ ranks: Int) throws {
            let output = try Scratch.folder() + "/run"
            let shell = "[ $OMPI_COMM_WORLD_RANK = \(rank) ] && \(obstacle.rawValue); exec \"$0\" \"$@\""
            let job = try CommandJob(
                ["--oversubscribe", "-np", "\(ranks)", "sh", "-c", shell, CommandJob.binary]
                    + TrainedRun.arguments(output, ["distributed.timeout_seconds=3"]),
                program: try #require(CommandJob.mpirun))
            try job.wait { job.rankProcesses.count == ranks }
            let processes = job.rankProcesses
            let outcome = job.finish(within: 60)
            #expect(outcome.status == 6)
            #expect(outcome.seconds < 30)
            expectComplaint(
                outcome,
                [
                    "MPI_Init_thread on rank", "of \(ranks) (host ", "waited 3", "rank \(rank) (process ",
                    obstacle == .stopped ? "is stopped" : "has not made it",
                ])
            #expect(outcome.complaints.allSatisfy { $0.contains("; rank \(rank) (process ") })
            #expect(CommandJob.haveEnded(processes, within: 10))
            #expect(!Scratch.exists(output))
        }
    }
}
