import Foundation
import Testing

extension CommandSuite {
    @Suite("Paths, names and texts of strangers", .serialized)
    struct StrangerTests {
        private static let settings = [
            "data.dataset=synthetic", "data.train_samples=8", "data.test_samples=4", "model.width=4",
            "training.epochs=1", "training.global_batch=8", "evaluation.attacks.0.name=none", "distributed.threads=1",
        ]

        /// Runs the command in a folder, where relative paths begin.
        private func robustmoe(in folder: String, _ arguments: [String]) throws -> CommandJob.Outcome {
            let line = ["-c", "cd \"$0\" && exec \"$@\"", folder, CommandJob.binary] + arguments
            return try CommandJob(line, program: "/bin/sh").finish()
        }

        @Test("relative paths of one character, and such as begin with one, are places like others")
        func shortPaths() throws {
            let folder = try Scratch.folder()
            for name in ["a", "é", "b/", "c/d", "./e", "f//g"] {
                let outcome = try robustmoe(in: folder, ["train", "--output", name] + Self.settings)
                #expect(outcome.status == 0, "\(name): \(outcome.errors)")
                #expect(Scratch.exists("\(folder)/\(name)/checkpoints/step-00000001/model.safetensors"))
            }
            for arguments in [
                ["convert", "--from", "robustmoe", "--to", "torchvision", "a", "w"],
                ["convert", "--from", "torchvision", "--to", "robustmoe", "--normalize", "cifar10", "w", "v"],
                ["report", "a"], ["evaluate", "--checkpoint", "a", "--output", "h"] + Self.settings,
                ["evaluate", "--checkpoint", "w", "--layout", "torchvision", "--output", "i"] + Self.settings,
                ["train", "--output", "j", "training.initial_checkpoint=w", "training.initial_layout=torchvision"]
                    + Self.settings,
            ] {
                let outcome = try robustmoe(in: folder, arguments)
                #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
            }
            #expect(try robustmoe(in: folder, ["train", "--output", ""] + Self.settings).status == 7)
            try Data().write(to: URL(fileURLWithPath: folder + "/x"))
            #expect(try robustmoe(in: folder, ["train", "--config", "x", "--output", "k"] + Self.settings).status == 0)
            let packed = try robustmoe(in: folder, ["data", "pack", "--dataset", "folder", "--path", "n", "p"])
            #expect(packed.status == 3, "\(packed.errors)")
        }

        @Test("an escape sequence in a name, an argument or a file reaches no terminal")
        func escapes() throws {
            let folder = try Scratch.folder()
            let odd = "\u{1b}[2J\u{202e}\u{9b}"
            let run = try robustmoe(in: folder, ["train", "--output", "a\(odd)"] + Self.settings)
            #expect(run.status == 0 && run.output.contains(#"a\u{1b}[2J\u{202e}\u{9b}"#))
            let state = "\(folder)/a\(odd)/checkpoints/step-00000001/state.json"
            let text = try Scratch.text(state).replacing("\"run_id\" : \"", with: "\"run_id\" : \"\(odd)")
            try Data(text.utf8).write(to: URL(fileURLWithPath: state))
            let outcomes = [
                run, try robustmoe(in: folder, ["evaluate", "--checkpoint", "a\(odd)", "--output", "b"]),
                try robustmoe(in: folder, ["train", "\(odd)=1"]), try robustmoe(in: folder, ["train", "--\(odd)"]),
                try robustmoe(in: folder, ["\(odd)"]), try robustmoe(in: folder, ["report", "\(odd)"]),
                try robustmoe(in: folder, ["train", "output.name=../\(odd)"] + Self.settings),
            ]
            for outcome in outcomes {
                for text in [outcome.output, outcome.errors] {
                    #expect(
                        !text.unicodeScalars.contains { "\u{1b}\u{202e}\u{9b}".unicodeScalars.contains($0) }, "\(text)")
                }
            }
            for outcome in outcomes[2...] { #expect([2, 3].contains(outcome.status)) }
            let log = try Scratch.text("\(folder)/a\(odd)/events.log")
            #expect(log.contains(#"\u{1b}[2J"#) && !log.contains("\u{1b}"))
        }

        @Test("a network that no machine holds is refused with its size")
        func memory() throws {
            let folder = try Scratch.folder()
            let outcome = try robustmoe(in: folder, ["train", "--output", "a"] + Self.settings + ["model.width=8192"])
            #expect(outcome.status == 2 && outcome.errors.contains("MiB of weights alone"), "\(outcome.errors)")
            #expect(!Scratch.exists(folder + "/a"))
        }
    }
}
