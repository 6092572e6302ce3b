import Foundation
import Testing

extension CommandSuite {
    @Suite("What is said, and how much", .serialized)
    struct SpeechTests {
        private let settings = [
            "model.width=4", "training.epochs=1", "data.dataset=synthetic", "data.train_samples=64",
            "data.test_samples=16", "training.global_batch=8", "attack.steps=1",
        ]

        private func train(_ options: [String], under program: [String] = []) throws -> CommandJob.Outcome {
            let arguments = ["train", "--output", try Scratch.folder() + "/run"] + options + settings
            guard let launcher = program.first else { return try robustmoe(arguments) }
            let line = ([CommandJob.binary] + arguments).joined(separator: " ")
            return try CommandJob(
                Array(program.dropFirst()) + [line, "/dev/null"], program: launcher, environment: ["TERM": "xterm"]
            ).finish()
        }

        @Test("--quiet leaves warnings and results, --verbose tells of checkpoints, and both at once are a mistake")
        func levels() throws {
            let (usual, quiet, verbose) = (try train([]), try train(["--quiet"]), try train(["--verbose"]))
            for outcome in [usual, quiet, verbose] {
                #expect(outcome.status == 0)
                #expect(outcome.output.contains("test worst case: ") && outcome.output.contains("finished 1 epoch"))
                #expect(!outcome.output.contains("\r"), "no terminal shows it")
            }
            #expect(usual.output.contains("epoch 1/1, step 8/8: loss "))
            #expect(!quiet.output.contains("step 8/8") && !quiet.output.contains("OpenBLAS"))
            #expect(verbose.output.contains("\ncheckpoint step-00000008\n"))
            #expect(!usual.output.contains("\ncheckpoint "))
            #expect(try train(["--quiet", "--verbose"]).status == 2)
        }

        @Test(
            "a terminal shows one line that is written over, and keeps the others whole",
            .enabled(if: CommandJob.has("script"), "needs script of bsdutils"))
        func terminal() throws {
            let script = try #require(CommandJob.path(of: "script"))
            let output = try train([], under: [script, "-qec"]).output
            let eraseRest = "\u{1B}[K"
            #expect(output.contains("\repoch 1/1, step 1/8: "))
            #expect(output.contains("\r\(eraseRest)epoch 1/1, step 8/8: loss "))
            #expect(try !train(["--quiet"], under: [script, "-qec"]).output.contains(eraseRest))
        }
    }
}
