import Foundation
import Testing

extension CommandSuite {
    @Suite("Preemption", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct PreemptionTests {
        /// What befalls a run.
        private enum Blow: CaseIterable {
            case userSignalToLauncher, terminationOfRank, userSignalToRank, killOfRank, killOfAll

            /// Whether the run is to end by itself, with a checkpoint.
            var isPolite: Bool { self != .killOfRank && self != .killOfAll }
        }

        /// Random numbers that a seed brings back (Knuth's MMIX).
        private struct Dice: RandomNumberGenerator {
            var state: UInt64

            mutating func next() -> UInt64 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return (state >> 32) << 32 | (state &* state) >> 32
            }
        }

        private static let settings = ["training.epochs=48", "evaluation.every_epochs=16"]

        private func strike(_ blow: Blow, _ job: CommandJob, _ dice: inout Dice) throws {
            // A job that is just starting has no ranks yet.
            try job.wait { job.rankProcesses.count == 2 }
            let ranks = job.rankProcesses
            let one = ranks.randomElement(using: &dice)
            switch blow {
            case .userSignalToLauncher: job.signal(SIGUSR1)
            case .terminationOfRank: if let one { kill(one, SIGTERM) }
            case .userSignalToRank: if let one { kill(one, SIGUSR1) }
            case .killOfRank: if let one { kill(one, SIGKILL) }
            case .killOfAll: for rank in ranks { kill(rank, SIGKILL) }
            }
        }

        @Test("a run that is struck ten times at random moments ends as one that is left alone, bit for bit")
        func tenTimes() throws {
            let given = ProcessInfo.processInfo.environment["ROBUSTMOE_PREEMPTION_SEED"].flatMap { UInt64($0) }
            let seed = given ?? UInt64.random(in: 0..<1 << 32)
            var dice = Dice(state: seed)
            let whole = TrainedRun(path: try Scratch.folder() + "/whole")
            #expect(try robustmoe(TrainedRun.arguments(whole.path, Self.settings), ranks: 2).status == 0)
            let run = TrainedRun(path: try Scratch.folder() + "/run")
            let arguments = TrainedRun.arguments(run.path, Self.settings + ["--resume", "auto"])
            var story = "ROBUSTMOE_PREEMPTION_SEED=\(seed)"
            for number in 0..<10 {
                let blow = Blow.allCases[number % Blow.allCases.count]
                let before = run.lastRow
                let job = try CommandJob(arguments, ranks: 2)
                // Some while the program starts, some while it trains, evaluates or writes.
                if number % 3 > 0 { try job.wait { run.lastRow > before } }
                usleep(UInt32.random(in: 0..<250_000, using: &dice))
                try strike(blow, job, &dice)
                let outcome = job.finish()
                story += ", \(blow) after step \(before): \(outcome.status)"
                #expect(outcome.status != 0, "\(story)")
                if blow.isPolite, number % 3 > 0 { #expect(outcome.status == 75, "\(story) \(outcome.errors)") }
            }
            let last = try robustmoe(arguments, ranks: 2)
            #expect(last.status == 0, "\(story) \(last.errors)")
            try run.expectSame(as: whole)
            print(story)
        }
    }
}
