import Foundation
import Testing

@testable import Files

extension CommandSuite {
    /// Every operation of a run that changes a file fails once, for want of space or as a disk's error, or is the last thing that
    /// the process does.
    ///
    /// In the ordinary run it is every twentieth case; `ROBUSTMOE_FAULT_STRIDE=1` makes it all of them, as `launch/test-faults`
    /// does.
    @Suite("Faults of files", .serialized, .enabled(if: FileFaults.library != nil, "no C compiler for the shim"))
    struct FileFaultTests {
        private static let settings = [
            "model.width=4", "moe.kind=conv", "moe.experts=2", "training.epochs=2", "training.global_batch=16",
            "training.method=pgd", "training.validation_fraction=0.25", "data.dataset=synthetic",
            "data.train_samples=16", "data.test_samples=8", "attack.steps=1", "evaluation.chunk=8",
        ]

        /// What a fault may end a run with: a full disk and an error are named, unless the run could do without.
        private static let expected: [FileFaults.Kind: Set<Int>] = [
            .kill: [128 + Int(SIGKILL)], .full: [0, 4, 7], .error: [0, 4, 7],
        ]

        private func train(
            _ folder: String, resumes: Bool = false, _ fault: String? = nil
        ) throws -> CommandJob.Outcome {
            try robustmoe(
                ["train", "--output", folder + "/run"] + (resumes ? ["--resume", "auto"] : []) + Self.settings,
                environment: fault.map { FileFaults.environment($0, under: folder) } ?? [:])
        }

        @Test("a signal that interrupts every second operation at files changes nothing")
        func interruptions() throws {
            let (known, folder) = (try Scratch.folder(), try Scratch.folder())
            #expect(try train(known).status == 0)
            let outcome = try train(folder, "again:2")
            #expect(outcome.status == 0, "\(outcome.errors)")
            try TrainedRun(path: folder + "/run").expectSame(as: TrainedRun(path: known + "/run"))
        }

        @Test("whatever fails at a file, the run says so or survives, and goes on to the same bits")
        func everyOperation() throws {
            let known = try Scratch.folder()
            #expect(try train(known).status == 0)
            let counting = try Scratch.folder()
            let count = try Scratch.folder() + "/count"
            #expect(try train(counting, "count:\(count)").status == 0)
            let operations = try #require(
                Int(try Scratch.text(count).trimmingCharacters(in: .whitespacesAndNewlines)))
            #expect(operations > 200)
            let stride = ProcessInfo.processInfo.environment["ROBUSTMOE_FAULT_STRIDE"].flatMap { Int($0) } ?? 20
            var cases = 0
            // The kinds take turns, so that a stride meets each of them.
            for place in Swift.stride(from: 1, through: 3 * operations, by: stride) {
                let (number, kind) = ((place - 1) / 3 + 1, FileFaults.Kind.allCases[(place - 1) % 3])
                let folder = try Scratch.folder()
                let fault = "\(kind.rawValue):\(number)"
                let outcome = try train(folder, fault)
                #expect(
                    Self.expected[kind]?.contains(outcome.status) == true,
                    "\(fault): \(outcome.status) \(outcome.errors)")
                if outcome.status == 4 || outcome.status == 7 {
                    #expect(outcome.errors.contains(folder), "\(fault): \(outcome.errors)")
                }
                let resumed = try train(folder, resumes: true)
                #expect(resumed.status == 0, "\(fault): \(resumed.errors)")
                try TrainedRun(path: folder + "/run").expectSame(as: TrainedRun(path: known + "/run"))
                try FileManager.default.removeItem(atPath: folder)
                cases += 1
            }
            print("\(cases) faults of \(3 * operations) at \(operations) operations of files")
        }
    }
}

/// The library that lets file operations fail, made from its C source where there is a compiler.
enum FileFaults {
    /// What happens at an operation.
    enum Kind: String, CaseIterable {
        case kill, full, error
    }

    static let library: String? = library(of: ["file_faults.c"], compilers: ["clang", "cc", "gcc"])

    /// Makes a library of C sources by the first compiler that is there; nil where there is none.
    static func library(of sources: [String], compilers: [String]) -> String? {
        let shims = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Shims").path
        guard let compiler = compilers.lazy.compactMap(CommandJob.path(of:)).first,
            let folder = try? Scratch.folder()
        else { return nil }
        let library = folder + "/faults.so"
        let arguments = ["-shared", "-fPIC", "-O1", "-o", library] + sources.map { "\(shims)/\($0)" } + ["-ldl"]
        let outcome = try? CommandJob(arguments, program: compiler).finish()
        return outcome?.status == 0 ? library : nil
    }

    /// What a process is started with to meet a fault at files under a directory.
    static func environment(_ fault: String, under folder: String) -> [String: String] {
        ["LD_PRELOAD": library ?? "", "ROBUSTMOE_FAULT_UNDER": folder, "ROBUSTMOE_FAULT": fault]
    }
}
