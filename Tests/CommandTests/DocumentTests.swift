import ArgumentParser
import Configuration
import Foundation
import Testing

@testable import robustmoe

extension CommandSuite {
    /// The commands that documents tell to type: README, the pages below `launch` and `results` and those of the
    /// documentation, and the heads of recipes.
    ///
    /// bash itself expands them, with `robustmoe` and what starts it as functions that write down what they are called with.
    @Suite("Documents", .enabled(if: CommandJob.has("bash") && CommandJob.has("python3"), "needs bash and python3"))
    struct DocumentTests {
        private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../..").standardizedFileURL.path

        /// Documents by their path; what lies below a commit's name is a record of its time.
        static let documents: [String] = {
            let files = ["launch", "results", "Sources"].flatMap { folder in
                ((try? FileManager.default.subpathsOfDirectory(atPath: "\(root)/\(folder)")) ?? []).map {
                    "\(folder)/\($0)"
                }
            }
            return ["README.md"]
                + files.filter { path in
                    (path.hasSuffix("/README.md") || path.contains(".docc/") && path.hasSuffix(".md")
                        || path.hasPrefix("launch/") && path.hasSuffix(".yaml"))
                        && !path.split(separator: "/").contains { $0.wholeMatch(of: /[0-9a-f]{7,40}/) != nil }
                }.sorted()
        }()

        /// The blocks of a document that hold commands of ours, as scripts.
        private func blocks(_ document: String) throws -> [String] {
            let text = try String(contentsOfFile: "\(Self.root)/\(document)", encoding: .utf8)
            var blocks: [[Substring]] = [[]]
            var isFenced = false
            for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
                if document.hasSuffix(".yaml") {
                    guard line.hasPrefix("#") else { break }
                    if line.hasPrefix("#   ") {
                        blocks[blocks.count - 1].append(line.dropFirst())
                    } else {
                        blocks.append([])
                    }
                } else if line.hasPrefix("```") {
                    isFenced.toggle()
                    blocks.append([])
                } else if isFenced || line.hasPrefix("    ") {
                    blocks[blocks.count - 1].append(line)
                } else {
                    blocks.append([])
                }
            }
            return blocks.map { $0.joined(separator: "\n") }.filter { block in
                block.contains(#/(?:^|[ /=])robustmoe [a-z]|launch/(?:sweep|train) /#)
            }
        }

        /// The arguments of every call of `robustmoe` in a script.
        private func calls(_ script: String) throws -> [[String]] {
            let folder = try Scratch.folder()
            let place = #/(?m)(^\s*|[;&|(]\s*|\b(?:do|then|else|time)\s+)(?:\.build/release/|launch/)(?=[a-z])/#
            let own = script.replacing(place) { "\($0.1)" }
            let preamble = """
                tools=$PATH PATH=; DATA=/data
                robustmoe() { printf '%s\\n' "$@" ---- >> calls; }
                mpirun() {
                    while [ $# -gt 0 ]; do
                        case "$1" in robustmoe | */robustmoe) shift; robustmoe "$@"; return ;; esac
                        shift
                    done
                }
                srun() { mpirun "$@"; }
                sweep() {
                    local line
                    while IFS= read -r line; do eval "robustmoe ${line#* }"; done < <(
                        PATH=$tools; python3 \(Self.root)/launch/sweep --dry-run --program \(CommandJob.binary) "$@" || echo failed)
                }
                train() {
                    while [ $# -gt 0 ]; do
                        case "$1" in --hostfile | --ranks-per | --ranks | --threads) shift 2 ;; --print) shift ;; *) break ;; esac
                    done
                    robustmoe train "$@"
                }
                submit() {
                    while [ $# -gt 0 ]; do
                        case "$1" in
                            --wrap) eval "${2#launch/}"; return ;;
                            launch/train | */launch/train) shift; train "$@"; return ;;
                        esac
                        shift
                    done
                }
                sbatch() { submit "$@"; }
                qsub() { submit "$@"; }
                bsub() { submit "$@"; }
                """
            // What a reader is to fill in.
            let text = "\(preamble)\n\(own)\n".replacing(" ...", with: "")
            try text.write(toFile: "\(folder)/script", atomically: true, encoding: .utf8)
            try FileManager.default.createSymbolicLink(
                atPath: "\(folder)/launch", withDestinationPath: "\(Self.root)/launch")
            let bash = try #require(CommandJob.path(of: "bash"))
            _ = try CommandJob(["-c", "cd \(folder) && . ./script"], program: bash).finish(within: 60)
            let calls = (try? String(contentsOfFile: "\(folder)/calls", encoding: .utf8)) ?? ""
            return calls.split(separator: "----\n").map { $0.split(separator: "\n").map(String.init) }
        }

        @Test("every command can be parsed, and its settings be read", arguments: documents)
        func commands(_ document: String) throws {
            for block in try blocks(document) {
                let calls = try calls(block)
                #expect(!calls.isEmpty, "no command found in\n\(block)")
                for call in calls {
                    do { try check(call) } catch {
                        Issue.record(
                            "\(document): robustmoe \(call.joined(separator: " ")): \(RobustMoE.message(for: error))\(error)"
                        )
                    }
                }
            }
        }

        private func check(_ call: [String]) throws {
            // Recipes are named from the repository's root.
            let arguments = call.map { $0.hasPrefix("launch/") ? "\(Self.root)/\($0)" : $0 }
            let command = try RobustMoE.parseAsRoot(arguments)
            func read(_ files: [String], _ settings: [String], for use: RunConfiguration.Use) throws {
                let layers =
                    files.map { ConfigurationLayer(file: $0) } + settings.map { ConfigurationLayer(override: $0) }
                _ = try RunConfiguration.resolveWithWarnings(layers: layers, for: use)
            }
            switch command {
            case let train as Train: try read(train.config, train.settings, for: .training)
            case let evaluate as Evaluate:
                // The checkpoint's own settings lie below: masks are compared with channel experts alone.
                let settings = evaluate.options.settings
                let own = settings.contains { $0.hasPrefix("evaluation.masks=") } ? ["moe.kind=channel"] : []
                try read(evaluate.options.config, own + settings, for: .evaluation)
            case let experts as Experts: try read(experts.options.config, experts.options.settings, for: .evaluation)
            case let bench as Bench: try read([], bench.settings, for: .measurement)
            default: break
            }
        }

        /// What makes README's commands small: the last setting of a key counts, and of another data set no path is looked at.
        private static let small = [
            "data.dataset=synthetic", "data.path=", "data.train_samples=64", "data.test_samples=16", "model.width=4",
            "distributed.threads=1",
        ]
        private static let smallTraining =
            small + ["training.epochs=1", "training.global_batch=16", "attack.steps=1"]

        @Test("README's first commands of each kind do what they say, scaled down, one after the other")
        func run() throws {
            let calls = try blocks("README.md").flatMap(calls)
            let folder = try Scratch.folder()
            func first(_ words: String...) throws -> [String] {
                try #require(calls.first { call in words.allSatisfy(call.contains) }, "no command with \(words)")
            }
            func run(_ call: [String], _ more: [String] = []) throws -> CommandJob.Outcome {
                let line = ["-c", "cd \(folder) && exec \"$0\" \"$@\"", CommandJob.binary] + call + more
                let outcome = try CommandJob(line, program: "/bin/sh").finish()
                #expect(outcome.status == 0, "\(call): \(outcome.errors)")
                return outcome
            }
            let attacks = ["evaluation.attacks.0.steps=2", "evaluation.attacks.1.steps=2"]
            let small = Self.small + ["evaluation.samples=16"]
            _ = try run(try first("train", "moe.kind=conv"), Self.smallTraining)
            _ = try run(try first("evaluate", "results/cifar10-moe"), small + attacks)
            _ = try run(try first("experts", "results/cifar10-moe"), small + attacks.prefix(1))
            #expect(try run(try first("report", "results/cifar10-moe-eval")).output.contains("apgd-ce"))
            for path in ["-eval/per_sample.csv", "-experts/fixed_experts.csv", ".html", "/checkpoints/latest"] {
                #expect(Scratch.exists("\(folder)/results/cifar10-moe\(path)"), "\(path)")
            }
            // Hosts of one's own are for everybody to fill in.
            let plan = try first("plan").filter { !$0.hasSuffix("hostfile") && !$0.hasPrefix("hostfiles/") }
            #expect(try run(plan, Self.smallTraining).output.contains("ranks"))
            let doctor = try CommandJob(try first("doctor")).finish()
            #expect([0, 7].contains(doctor.status) && !doctor.output.isEmpty, "\(doctor.errors)")

            let dense = try first("evaluate", "output.per_sample_long=true")
            let train = ["train", "--output", "results/cifar10-dense"]
            _ = try run(train, Self.smallTraining)
            _ = try run(dense, small + ["evaluation.attacks.0.steps=2"])
            #expect(Scratch.exists("\(folder)/results/cifar10-dense-eval/pgd.safetensors"))
            _ = try run(try first("convert"))
            #expect(Scratch.exists("\(folder)/dense.safetensors"))
        }

        @Test("documents call the program where it is after a build, or say how it comes to be on the path")
        func places() throws {
            for document in Self.documents {
                let text = try String(contentsOfFile: "\(Self.root)/\(document)", encoding: .utf8)
                guard !text.contains("launch/install") else { continue }
                for block in try blocks(document) {
                    #expect(
                        !block.contains(#/(?:^|[ "])robustmoe [a-z]/#.anchorsMatchLineEndings()),
                        "\(document):\n\(block)")
                }
            }
        }
    }
}
