import Foundation
import Testing

extension CommandSuite {
    /// Faults of many kinds, on either of two ranks, in every phase of training, `evaluate` and `experts`.
    ///
    /// In the ordinary run it is every sixth case; `ROBUSTMOE_FAULT_STRIDE=1` makes it all of them, as `launch/test-faults` does,
    /// `ROBUSTMOE_FAULT_FIRST` is the number of the first case, and `ROBUSTMOE_FAULT_TABLE` names a file for the table.
    @Suite(
        "Fault matrix", .serialized,
        .enabled(if: CommandJob.hasMPI && RankFaults.library != nil, "no mpirun, or no mpicc for the shim"))
    struct FaultMatrixTests {
        private static let settings = [
            "model.width=8", "moe.kind=conv", "moe.experts=2", "training.epochs=2", "training.global_batch=16",
            "training.method=pgd", "training.checkpoint_every=2", "data.dataset=synthetic", "data.train_samples=64",
            "data.test_samples=48", "attack.steps=2", "evaluation.chunk=8",
        ]
        private static let ranks = 2

        /// A run, an evaluation and a look at experts that met no fault.
        private static let undisturbed = Result {
            let folder = try Scratch.folder()
            for phase in [FaultCase.Phase.loading, .evaluate, .experts] {
                let outcome = try robustmoe(
                    arguments(phase, folder: folder, trained: folder + "/train"), ranks: ranks)
                #expect(outcome.status == 0, "\(outcome.errors)")
            }
            return folder
        }

        private static func command(_ phase: FaultCase.Phase) -> String {
            phase == .evaluate || phase == .experts ? phase.rawValue : "train"
        }

        /// The command of a phase, whose output goes into a folder of its name.
        private static func arguments(_ phase: FaultCase.Phase, folder: String, trained: String) -> [String] {
            let name = command(phase)
            let output = [name, "--output", "\(folder)/\(name)"]
            return output + (name == "train" ? settings : ["--checkpoint", trained, "evaluation.attacks.0.steps=2"])
        }

        /// A row of the table.
        private struct Row {
            let fault: FaultCase
            let status: Int
            let seconds: Double
            let said: String
            let resumed: String

            static let header = "fault,rank,phase,status,seconds,said,resumed"
            var line: String {
                let quoted = "\"" + said.replacing("\"", with: "'") + "\""
                return "\(fault.kind.rawValue),\(fault.rank),\(fault.phase.rawValue),\(status),"
                    + "\((seconds * 10).rounded() / 10),\(quoted),\(resumed)"
            }
        }

        @Test("a fault ends the job in time with its cause, or is survived; the run goes on to the same bits")
        func matrix() throws {
            let environment = ProcessInfo.processInfo.environment
            func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
            let (stride, first) = (number("ROBUSTMOE_FAULT_STRIDE") ?? 6, number("ROBUSTMOE_FAULT_FIRST") ?? 0)
            let undisturbed = try Self.undisturbed.get()
            let cases = Swift.stride(from: first, to: FaultCase.all.count, by: stride).map { FaultCase.all[$0] }
            #expect(Set(cases.map(\.phase)).count == FaultCase.Phase.allCases.count)
            var table = Row.header + "\n"
            for fault in cases {
                // One case that fails is no reason to leave out the others.
                do {
                    let row = try meet(fault, undisturbed)
                    print(row.line)
                    table += row.line + "\n"
                } catch { Issue.record("\(fault): \(error)") }
            }
            print("\(cases.count) of \(FaultCase.all.count) faults")
            if let path = environment["ROBUSTMOE_FAULT_TABLE"] {
                try Data(table.utf8).write(to: URL(fileURLWithPath: path))
            }
        }

        private func meet(_ fault: FaultCase, _ undisturbed: String) throws -> Row {
            let folder = try Scratch.folder()
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let output = "\(folder)/\(Self.command(fault.phase))"
            let evaluates = Self.command(fault.phase) != "train"
            var trained = undisturbed + "/train"
            if evaluates, fault.kind == .damaged { trained = try Scratch.copy(of: trained) }
            let arguments = Self.arguments(fault.phase, folder: folder, trained: trained)
            let step = evaluates ? "step-00000008" : "step-0000000\(fault.newestStep)"
            let newest = "\(evaluates ? trained : output)/checkpoints/\(step)/model.safetensors"
            let outcome = try meet(fault, arguments, folder: folder, path: fault.kind == .removed ? output : newest)
            var resumed = "not needed"
            if fault.kind != .slow {
                let again = try robustmoe(arguments + ["--resume", "auto"], ranks: Self.ranks)
                if evaluates, fault.kind == .damaged {
                    let isNamed = again.errors.contains("checkpoints/\(step): model.safetensors")
                    #expect(again.status == 4 && isNamed, "\(fault): \(again.errors)")
                    resumed = "refused"
                } else {
                    #expect(again.status == 0, "\(fault): \(again.errors)")
                    let warns = again.output.contains("checkpoint \(step) is not used")
                    #expect(warns == (fault.kind == .damaged), "\(fault): \(again.output)")
                    resumed = "same bits"
                }
            }
            if resumed != "refused" {
                try expectSame(output, undisturbed + "/" + Self.command(fault.phase), evaluates: evaluates, fault)
            }
            return Row(
                fault: fault, status: outcome.status, seconds: outcome.seconds, said: said(outcome, fault, folder),
                resumed: resumed)
        }

        /// Runs a job into a fault.
        private func meet(
            _ fault: FaultCase, _ arguments: [String], folder: String, path: String
        ) throws -> CommandJob.Outcome {
            var settings: [String] = []
            if fault.kind == .stop { settings = ["distributed.timeout_seconds=2"] }
            let job = try CommandJob(
                ["--oversubscribe", "-np", "\(Self.ranks)", "env", "LD_PRELOAD=\(RankFaults.library ?? "")"]
                    + [CommandJob.binary] + arguments + settings,
                program: try #require(CommandJob.mpirun),
                environment: RankFaults.environment(fault, folder: folder, path: path))
            try job.wait { job.rankProcesses.count == Self.ranks }
            let processes = job.rankProcesses
            let outcome = job.finish(within: 60)
            #expect(Scratch.exists(folder + "/mark"), "\(fault) did not happen")
            #expect(fault.statuses.contains(outcome.status), "\(fault): \(outcome.status) \(outcome.errors)")
            #expect(outcome.seconds < 30, "\(fault)")
            for phrase in fault.phrases(folder: folder) {
                #expect(outcome.errors.contains(phrase), "\(fault): \(outcome.errors)")
            }
            #expect(CommandJob.haveEnded(processes, within: 10), "\(fault)")
            return outcome
        }

        private func expectSame(_ output: String, _ other: String, evaluates: Bool, _ fault: FaultCase) throws {
            let (run, expected) = (TrainedRun(path: output), TrainedRun(path: other))
            guard evaluates else { return try run.expectSame(as: expected) }
            for table in ["evaluation.csv", "per_sample.csv", "classes.csv", "routing.csv", "experts.csv"]
                + (fault.phase == .experts ? ["fixed_experts.csv"] : [])
            {
                #expect(try run.comparableRows(table) == expected.comparableRows(table), "\(fault): \(table)")
            }
        }

        /// What a job said of its fault, in one line without what differs from machine to machine.
        private func said(_ outcome: CommandJob.Outcome, _ fault: FaultCase, _ folder: String) -> String {
            let lines = outcome.errors.split(separator: "\n").map(String.init)
            let key = fault.phrases(folder: folder).last
            guard let key, let line = lines.first(where: { $0.contains(key) }) else { return "" }
            let host = ProcessInfo.processInfo.hostName
            return line.replacing(folder, with: "OUT").replacing("@\(host)]", with: "]")
                .replacing("host \(host)", with: "host H").replacing("node \(host)", with: "node H")
                .replacing(" on \(host):", with: " on H:").replacing(/PID \d+/, with: "PID N")
                .replacing("error: ", with: "")
        }
    }
}
