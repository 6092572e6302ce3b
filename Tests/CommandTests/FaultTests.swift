import Foundation
import Testing

extension CommandSuite {
    @Suite("Faults", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct FaultTests {
        private func drill(_ drill: String, ranks: Int) throws -> (outcome: CommandJob.Outcome, run: TrainedRun) {
            let output = try Scratch.folder() + "/run"
            let outcome = try robustmoe(
                TrainedRun.arguments(output), ranks: ranks, environment: ["ROBUSTMOE_DRILL": drill])
            return (outcome, TrainedRun(path: output))
        }

        @Test("a loss that is no number ends the job with 5 and names rank, step and layer")
        func notANumber() throws {
            let (outcome, run) = try drill("nan:1:7", ranks: 2)
            #expect(outcome.status == 5)
            expectComplaint(outcome, ["step 7", "loss is not finite", "rank 1", "layer conv1"])
            #expect(outcome.complaints.allSatisfy { !$0.contains("rank 0 on") })
            #expect(try run.latest().step == 5)
            #expect(try Scratch.text(run.path + "/events.log").contains("loss is not finite"))
        }

        @Test("an exception on one rank ends all of them within seconds, with its status", arguments: [2, 3])
        func exception(_ ranks: Int) throws {
            let output = try Scratch.folder() + "/run"
            let job = try CommandJob(
                TrainedRun.arguments(output), ranks: ranks, environment: ["ROBUSTMOE_DRILL": "throw:1:2"])
            try job.wait { Scratch.exists(output + "/metrics.csv") }
            let processes = job.rankProcesses
            #expect(processes.count == ranks)
            let start = ContinuousClock.now
            let outcome = job.finish()
            #expect(outcome.status == 5)
            #expect(ContinuousClock.now - start < .seconds(20))
            #expect(outcome.complaints.count == 1)
            #expect(outcome.complaints.first?.hasPrefix("[rank 1@") == true)
            expectComplaint(outcome, ["before step 2 on rank 1"])
            #expect(CommandJob.haveEnded(processes, within: 10))
        }

        @Test(
            "a bit that flips in one rank's weights ends the job with 6 at the next checkpoint, naming the odd rank or, of two, both",
            arguments: [("flip:1:7", 2, "differs between ranks 0 ("), ("flip:0:7", 3, "on rank 0 (")])
        func flippedBit(_ fault: String, _ ranks: Int, _ blame: String) throws {
            let (outcome, run) = try drill(fault, ranks: ranks)
            #expect(outcome.status == 6)
            expectComplaint(outcome, ["replicas differ", "conv1.weight", blame])
            #expect(ranks == 2 || outcome.complaints.allSatisfy { !$0.contains("on ranks") })
            #expect(try run.latest().step == 5)
        }

        @Test("a disk that is full is named, and the checkpoint before it stays", .enabled(if: SmallDisk.isPossible))
        func fullDisk() throws {
            // A checkpoint of the small model takes about 0.9 MB.
            let disk = try #require(SmallDisk(kilobytes: 1400))
            let run = TrainedRun(path: disk.path + "/run")
            let outcome = try robustmoe(TrainedRun.arguments(run.path))
            #expect(outcome.status == 4)
            expectComplaint(
                outcome, ["cannot write \(run.path)/checkpoints/", "step-00000009", "No space left on device"])
            #expect(try run.latest().step == 5)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: run.path + "/checkpoints").sorted() == [
                    ".run", "latest", "step-00000005",
                ])
            #expect(disk.grow(kilobytes: 20_000))
            let resumed = try robustmoe(["train", "--output", run.path, "--resume", "auto"])
            #expect(resumed.status == 0, "\(resumed.errors)")
            try run.expectSame(as: try TrainedRun.onOneRank.get())
        }
    }
}

/// A small file system in memory, where the system lets us mount one.
final class SmallDisk {
    let path: String

    init?(kilobytes: Int) {
        guard let path = try? Scratch.folder(), mount("none", path, "tmpfs", 0, "size=\(kilobytes)k") == 0 else {
            return nil
        }
        self.path = path
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }

    func grow(kilobytes: Int) -> Bool {
        mount("none", path, "tmpfs", UInt(MS_REMOUNT), "size=\(kilobytes)k") == 0
    }

    static let isPossible = SmallDisk(kilobytes: 64) != nil
}
