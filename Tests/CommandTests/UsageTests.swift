import Foundation
import Testing

extension CommandSuite {
    @Suite("Usage and configuration", .serialized)
    struct UsageTests {
        @Test("help and version end with 0 and start no MPI")
        func help() throws {
            // A world of two that nobody started: MPI would not come up in it.
            let world = ["OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"]
            for arguments in [["--help"], ["train", "--help"], ["evaluate", "--help"]] {
                let outcome = try robustmoe(arguments, environment: world)
                #expect(outcome.status == 0)
                #expect(outcome.output.contains("USAGE: robustmoe"))
                #expect(outcome.errors.isEmpty)
            }
            let keys = try robustmoe(["train", "--help"]).output
            #expect(keys.contains(" moe.experts=4\n") && keys.contains(" training.time_limit=null\n"))
            let version = try robustmoe(["--version"], environment: world)
            #expect(version.status == 0)
            let lines = version.output.split(separator: "\n")
            #expect(lines.first?.wholeMatch(of: /\d+\.\d+\.\d+/) != nil, "\(version.output)")
            for phrase in ["\ncommit ", "built as release for ", "Swift version ", "MPI", "OpenBLAS"] {
                #expect(version.output.contains(phrase), "\(version.output)")
            }
        }

        @Test("a world that cannot be connected ends with 7 and names both sizes")
        func brokenWorld() throws {
            let output = try Scratch.folder() + "/run"
            let outcome = try robustmoe(
                TrainedRun.arguments(output),
                environment: ["OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"])
            #expect(outcome.status == 7)
            expectComplaint(outcome, ["mpirun started 2 ranks", "connected 1"])
        }

        @Test(
            "a mistake in the configuration ends with 2, says what is allowed, and writes nothing",
            arguments: [
                (["moe.expert=4"], ["moe.expert", "no such key", "did you mean moe.experts?"]),
                (["experts=4"], ["experts", "did you mean moe.experts?"]),
                (["moe.experts=four"], ["moe.experts", "four", "an integer, from 1 to 1024"]),
                (["training.optimizer.nesterov=maybe"], ["training.optimizer.nesterov", "maybe", "true"]),
                (["training.method=pdg"], ["training.method", "pdg", "standard", "pgd"]),
                (["attack.epsilon=-1/255"], ["attack.epsilon", "-1/255", "from 0 to 10000"]),
                (["moe.top_k=9"], ["moe.top_k", "9", "at most moe.experts, 3"]),
                (["evaluation.attacks.0.batch_norm=batch"], ["evaluation.attacks.0.batch_norm", "batch", "frozen"]),
                (["--frobnicate"], ["--frobnicate"]),
                (["--moe.experts=4"], ["did you mean moe.experts=4?"]), (["-m"], ["launch/sweep"]),
                (["lr=0.1"], ["did you mean training.optimizer.rate?"]),
                (["batch_size=8"], ["did you mean training.global_batch?"]),
                (["data.root=/data"], ["did you mean data.path?"]),
                (["optimizer=adam"], ["did you mean training.optimizer.name?"]),
                (["moe.placement=layer4"], ["did you mean [layer4]?"]), (["attack.epsilon=8"], ["did you mean 8/255?"]),
                (["data.dataset=imagenet"], ["did you mean folder?"]), (["x=1"], ["x: no such key"]),
                (["--config", "/no/such.yaml"], ["/no/such.yaml"]),
                (["moe.expert=4", "model.width=wide"], ["moe.experts", "model.width"]),
            ])
        func mistakes(_ settings: [String], _ phrases: [String]) throws {
            let output = try Scratch.folder() + "/run"
            let outcome = try robustmoe(TrainedRun.arguments(output, settings))
            #expect(outcome.status == 2)
            #expect(outcome.output.isEmpty)
            expectComplaint(outcome, phrases)
            #expect(outcome.complaints.count == outcome.errors.split(separator: "\n").count, "\(outcome.errors)")
            #expect(!Scratch.exists(output))
        }

        @Test("a placement without a match ends with 2, names the layers there are, and leaves room for the next try")
        func placement() throws {
            let output = try Scratch.folder() + "/run"
            let outcome = try robustmoe(TrainedRun.arguments(output, ["moe.placement=[layer9]"]))
            #expect(outcome.status == 2)
            expectComplaint(outcome, ["layer9", "layer1.0.conv1", "layer4.1.conv2"])
            let next = try robustmoe(TrainedRun.arguments(output, ["training.stop_after_steps=1"]))
            #expect(next.status == 75, "\(next.errors)")
        }

        @Test("an exception to weight decay that names no parameter ends with 2 and leaves nothing")
        func exclusions() throws {
            let output = try Scratch.folder() + "/run"
            let outcome = try robustmoe(
                TrainedRun.arguments(output, ["training.optimizer.decay_exclude=[bias, bais]"]))
            #expect(outcome.status == 2)
            expectComplaint(
                outcome, ["training.optimizer.decay_exclude: no parameter of the network is called bais"])
            #expect(!Scratch.exists(output))
        }

        @Test("a router that is larger than its map ends with 2 and says which")
        func largeRouter() throws {
            let output = try Scratch.folder() + "/run"
            let outcome = try robustmoe(
                TrainedRun.arguments(
                    output,
                    ["moe.router=double-conv-gap", "moe.router_kernel=3", "moe.placement=[layer4.1.conv2]"]))
            #expect(outcome.status == 2)
            expectComplaint(outcome, ["moe.router_kernel", "layer4.1.conv2", "5x5", "4x4"])
        }

        @Test(
            "three ranks tell a mistake once, whatever is wrong", .enabled(if: CommandJob.hasMPI, "no mpirun"),
            arguments: [
                (["moe.expert=4"], 2), (["--frobnicate"], 2), (["moe.placement=[layer9]"], 2),
                (["distributed.deterministic_shards=4"], 2), (["data.dataset=cifar10", "data.path=/no/such"], 3),
            ])
        func toldOnce(_ settings: [String], _ status: Int) throws {
            let output = try Scratch.folder() + "/run"
            let outcome = try robustmoe(TrainedRun.arguments(output, settings), ranks: 3)
            #expect(outcome.status == status)
            let told = outcome.complaints.filter { $0.lowercased().contains("error: ") }
            #expect(told.count == 1, "\(outcome.errors)")
            #expect(told.allSatisfy { $0.hasPrefix("[rank 0@") })
        }

        @Test(
            "shards that the ranks do not divide evenly are refused with both numbers", .enabled(if: CommandJob.hasMPI))
        func shards() throws {
            let output = try Scratch.folder() + "/run"
            let outcome = try robustmoe(
                TrainedRun.arguments(output, ["distributed.deterministic_shards=3"]), ranks: 2)
            #expect(outcome.status == 2)
            expectComplaint(outcome, ["distributed.deterministic_shards is 3", "2 ranks"])
        }

        @Test("a run that is there is not touched without --resume or --force")
        func occupied() throws {
            let run = try TrainedRun.onOneRank.get()
            let before = try Scratch.contents(of: run.path)
            let outcome = try robustmoe(TrainedRun.arguments(run.path, ["training.epochs=1"]))
            #expect(outcome.status == 2)
            expectComplaint(outcome, [run.path, "metrics.csv", "--resume auto", "--force"])
            #expect(try Scratch.contents(of: run.path) == before)
        }

        @Test(
            "a run that is to be replaced or continued stays whole when that cannot begin",
            arguments: [
                (["--force", "data.dataset=cifar10", "data.path=/no/such"], 3),
                (["--force", "moe.placement=[layer9]"], 2),
                (["--force", "--resume", "auto"], 2),
                (["--resume", "auto", "model.width=8"], 4),
                (["--resume", "auto", "data.dataset=cifar10", "data.path=/no/such"], 3),
                (["--resume", "auto", "training.seed=1"], 4),
            ])
        func nothingLost(_ more: [String], _ status: Int) throws {
            let run = try TrainedRun.onOneRank.get()
            let before = try Scratch.contents(of: run.path)
            let outcome = try robustmoe(TrainedRun.arguments(run.path, more))
            #expect(outcome.status == status, "\(outcome.errors)")
            #expect(try Scratch.contents(of: run.path) == before)
        }

        @Test("--force replaces a run")
        func forced() throws {
            let run = TrainedRun(path: try Scratch.copy(of: try TrainedRun.onOneRank.get().path))
            let before = try run.rows("metrics.csv").first?["run_id"]
            let outcome = try robustmoe(TrainedRun.arguments(run.path, ["--force", "training.stop_after_steps=4"]))
            #expect(outcome.status == 75, "\(outcome.errors)")
            let rows = try run.rows("metrics.csv")
            #expect(rows.map { $0["step"] } == ["4"])
            #expect(rows.first?["run_id"] != before)
            #expect(try run.latest().step == 4)
            let names = try FileManager.default.contentsOfDirectory(atPath: run.path + "/checkpoints").sorted()
            #expect(names == [".run", "latest", "step-00000004"])
        }

        @Test("stdout of a job that is no terminal has no carriage return, and one line a message")
        func plainOutput() throws {
            let output = try Scratch.folder() + "/run"
            let outcome = try robustmoe(TrainedRun.arguments(output, ["training.stop_after_steps=4"]))
            #expect(!outcome.output.contains("\r"))
            #expect(outcome.output.contains("step 4/27: loss "))
            #expect(outcome.output.contains("go on with --resume auto"))
            #expect(outcome.errors.isEmpty)
        }
    }
}

/// Expects every line of stderr to say who speaks, and all phrases to be among what is said.
func expectComplaint(
    _ outcome: CommandJob.Outcome, _ phrases: [String], location: SourceLocation = #_sourceLocation
) {
    let said = outcome.complaints.joined(separator: "\n")
    for phrase in phrases {
        #expect(said.contains(phrase), "\(outcome.errors)", sourceLocation: location)
    }
    for line in outcome.complaints where outcome.isLaunched {
        #expect(line.prefixMatch(of: /\[rank \d+@[^\]\s]+\] ./) != nil, "\(line)", sourceLocation: location)
    }
}
