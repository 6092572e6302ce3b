import Foundation
import Testing

extension CommandSuite {
    @Suite("Plans and launches", .serialized)
    struct PlanTests {
        private static let small = [
            "data.dataset=synthetic", "data.train_samples=96", "data.test_samples=16", "model.width=4",
            "training.method=pgd", "training.global_batch=8", "training.epochs=3", "attack.steps=2",
            "evaluation.chunk=8",
            "distributed.threads=1",
        ]

        private func plan(_ arguments: [String], ranks: Int? = nil) throws -> [String: Any] {
            let outcome = try robustmoe(["plan", "--json"] + Self.small + arguments, ranks: ranks)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return try #require(
                try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome.output)"
            )
        }

        @Test("a plan of a hostfile tells hosts, steps, exchange, memory and times, from rates that bench wrote")
        func plan() throws {
            let folder = try Scratch.folder()
            try Data("a:2\nb:2\n".utf8).write(to: URL(fileURLWithPath: folder + "/hosts"))
            let measured = try robustmoe(["bench", "rates", "--measured", folder + "/rates.json"] + Self.small)
            #expect(measured.status == 0, "\(measured.errors)")
            let arguments = ["--measured", folder + "/rates.json", "--hostfile", folder + "/hosts"]
            let found = try plan(arguments)
            let plan = try #require(found["plan"] as? [String: Any])
            #expect(found["valid"] as? Bool == true)
            #expect(plan["steps"] as? Int == 36)
            let hosts = try #require(found["hosts"] as? [[String: Any]])
            #expect(hosts.map { $0["name"] as? String } == ["a", "b"])
            #expect(hosts.map { $0["ranks"] as? Int } == [2, 2])
            let chosen = try #require(plan["chosen"] as? [String: Any])
            #expect(chosen["ranks"] as? Int == 4 && chosen["images_of_rank"] as? Int == 2)
            let gradients = try #require(plan["gradient_bytes"] as? Int)
            let outcome = try robustmoe(["plan"] + arguments + Self.small)
            #expect(outcome.output.contains("configuration: valid"))
            #expect(outcome.output.contains("--host a:2,b:2"))
            // What a run says of its parameters; arenas are padded a little.
            let run = try robustmoe(
                ["train", "--output", folder + "/run", "training.stop_after_steps=1"] + Self.small)
            let parameters = try #require(run.output.firstMatch(of: /of (\d+) parameters/)?.1)
            #expect(try abs(gradients - 4 * #require(Int(parameters))) < 4096)

            let other = try robustmoe(["plan"] + arguments + Self.small + ["model.width=8"])
            #expect(other.status == 2)
            expectComplaint(other, ["rates.json", "other settings", "bench rates"])
        }

        @Test("under mpirun a plan measures the link", .enabled(if: CommandJob.hasMPI, "no mpirun"))
        func link() throws {
            let found = try plan([], ranks: 2)
            let plan = try #require(found["rates"] as? [String: Any])
            #expect(found["hosts_from"] as? String == "this job")
            #expect((plan["link"] as? [String: Any])?["origin"] as? String == "measured between 2 ranks of one host")
            #expect(plan["ranks_of_host"] as? Int == 2)
        }

        @Test(
            "what training would refuse, a plan refuses with the same status",
            arguments: [
                (["moe.expert=4"], 2), (["data.dataset=cifar10", "data.path=/no/such"], 3), (["--link", "0"], 2),
                (["--hostfile", "/no/such"], 7), (["moe.kind=conv", "moe.placement=[layer9]"], 2),
            ])
        func refused(_ arguments: [String], _ status: Int) throws {
            #expect(try robustmoe(["plan"] + Self.small + arguments).status == status)
        }

        @Test(
            "launch/train --restarts goes on without a host that is gone, to the same bits",
            .enabled(if: CommandJob.hasMPI, "no mpirun"))
        func restarts() throws {
            let script = #filePath.components(separatedBy: "/Tests/")[0] + "/launch/train"
            let folder = try Scratch.folder()
            let settings = Self.small + ["distributed.deterministic_shards=2", "training.checkpoint_every=5"]
            // A host that can be reached once: what starts processes there says no afterwards.
            let agent = """
                #!/bin/sh
                [ ! -e \(folder)/gone ] || exit 1
                touch \(folder)/gone
                shift
                exec sh -c "$*"

                """
            try Data(agent.utf8).write(to: URL(fileURLWithPath: folder + "/agent"))
            chmod(folder + "/agent", 0o755)
            try Data("localhost\nother\n".utf8).write(to: URL(fileURLWithPath: folder + "/hosts"))
            let job = try CommandJob(
                [
                    "--restarts", "1", "--hostfile", folder + "/hosts", "--ranks-per", "host", "--output",
                    folder + "/run",
                ]
                    + settings,
                program: script,
                environment: [
                    "ROBUSTMOE_PROGRAM": CommandJob.binary, "ROBUSTMOE_DRILL": "kill:1:8",
                    "OMPI_MCA_plm_rsh_agent": folder + "/agent",
                ]
            ).finish()
            #expect(job.status == 0, "\(job.output) \(job.errors)")
            #expect(job.output.contains("other does not answer: the job goes on without it"))
            #expect(job.output.contains("resumed from step-00000005"))
            let whole = try robustmoe(["train", "--output", folder + "/whole"] + settings)
            #expect(whole.status == 0)
            #expect(
                try TrainedRun(path: folder + "/run").latest().files["model.safetensors"]
                    == TrainedRun(path: folder + "/whole").latest().files["model.safetensors"])
        }

        @Test("launch/train chooses ranks, shows the line and runs it", .enabled(if: CommandJob.hasMPI, "no mpirun"))
        func launch() throws {
            let script = #filePath.components(separatedBy: "/Tests/")[0] + "/launch/train"
            let environment = ["ROBUSTMOE_PROGRAM": CommandJob.binary]
            let output = try Scratch.folder() + "/run"
            let run = try CommandJob(
                ["--ranks-per", "core", "--output", output, "training.stop_after_steps=1"] + Self.small,
                program: script,
                environment: environment
            ).finish()
            #expect(run.status == 75, "\(run.errors)")
            #expect(run.output.hasPrefix("mpirun -np "))
            #expect(run.output.contains("distributed.threads=1"))
            #expect(Scratch.exists(output + "/checkpoints/latest"))

            let slurm = [
                "SLURM_JOB_ID": "1", "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_CPUS_PER_NODE": "4(x2)",
                "SLURM_NTASKS": "4",
                "SLURM_TASKS_PER_NODE": "2(x2)", "SLURM_CPUS_PER_TASK": "2",
            ]
            let shown = try CommandJob(
                ["--print", "--output", "a b"], program: script, environment: environment.merging(slurm) { $1 }
            ).finish()
            #expect(shown.status == 0, "\(shown.errors)")
            #expect(shown.output.hasPrefix("mpirun -np 4 --map-by ppr:2:node:PE="))
            #expect(shown.output.contains("--output a\\ b "))
            let wrong = try CommandJob(["--hostfile", "/no/such"], program: script, environment: environment).finish()
            #expect(wrong.status == 7)
        }

        @Test(
            "launch/install puts a program below a prefix that starts without Swift's own folder, with what belongs to it"
        )
        func install() throws {
            let root = #filePath.components(separatedBy: "/Tests/")[0]
            let prefix = try Scratch.folder() + "/opt"
            let outcome = try CommandJob(
                [prefix], program: root + "/launch/install", environment: ["ROBUSTMOE_PROGRAM": CommandJob.binary]
            ).finish()
            #expect(outcome.status == 0, "\(outcome.errors)")
            let version = try CommandJob(["--version"], program: prefix + "/bin/robustmoe").finish()
            #expect(version.status == 0)
            let number = String(version.output.prefix { !$0.isNewline })
            for file in [
                "modulefiles/robustmoe/\(number)", "bash-completion/completions/robustmoe",
                "zsh/site-functions/_robustmoe", "fish/vendor_completions.d/robustmoe.fish",
            ] {
                let text = try String(contentsOfFile: "\(prefix)/share/\(file)", encoding: .utf8)
                #expect(text.contains("robustmoe"), "\(file)")
            }
            let libraries = try FileManager.default.contentsOfDirectory(atPath: prefix + "/libexec/robustmoe")
            #expect(libraries.contains("libswiftCore.so"))
            let launcher = try CommandJob(["--print"], program: prefix + "/bin/robustmoe-train").finish()
            #expect(launcher.output.contains("/libexec/robustmoe/robustmoe train"), "\(launcher.errors)")
            #expect(try CommandJob([], program: root + "/launch/install").finish().status == 2)
        }

        @Test("train --print-config shows every value with where it came from, and writes nothing")
        func printConfig() throws {
            let output = try Scratch.folder() + "/run"
            let outcome = try robustmoe(
                ["train", "--print-config", "--output", output, "preset=advmoe-paper", "training.epochs=3"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let lines = outcome.output.split(separator: "\n").map { line in
                line.split(separator: "#").map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " # ")
            }
            for line in [
                "epochs: 3 # command line", "kind: channel # preset advmoe-paper", "experts: 2 # preset advmoe-paper",
                "chunk: 64 # default",
            ] {
                #expect(lines.contains(line), "\(line)")
            }
            #expect(!Scratch.exists(output))
        }
    }
}
