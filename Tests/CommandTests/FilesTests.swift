import Foundation
import Testing

extension CommandSuite {
    @Suite("The files of a run", .serialized, .enabled(if: CommandJob.hasMPI, "no mpirun"))
    struct FilesTests {
        @Test("the written configuration can be run again, and the same run gives the same bytes")
        func again() throws {
            let run = try TrainedRun.onTwoRanks.get()
            let copy = TrainedRun(path: try Scratch.folder() + "/run")
            let outcome = try robustmoe(
                ["train", "--config", run.path + "/config.yaml", "--output", copy.path], ranks: 2)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try Scratch.text(copy.path + "/config.yaml") == Scratch.text(run.path + "/config.yaml"))
            try copy.expectSame(as: run)
            let name = "/checkpoints/step-00000027/model.safetensors"
            #expect(
                FileManager.default.contents(atPath: run.path + name)
                    == FileManager.default.contents(atPath: copy.path + name))
        }

        @Test("a run directory holds what the contract names")
        func names() throws {
            let run = try TrainedRun.onTwoRanks.get()
            let names = Set(try FileManager.default.contentsOfDirectory(atPath: run.path))
            #expect(
                names == [
                    "config.yaml", "environment.json", "command.txt", "metrics.csv", "experts.csv", "routing.csv",
                    "evaluation.csv", "events.log", "checkpoints",
                ])
            #expect(try Scratch.text(run.path + "/checkpoints/latest") == "step-00000027\n")
            let files = try FileManager.default.contentsOfDirectory(atPath: run.latest().path).sorted()
            #expect(
                files == [
                    "manifest.json", "model.safetensors", "optimizer.safetensors", "state.json", "state.safetensors",
                ])
            let command = try Scratch.text(run.path + "/command.txt")
            #expect(command.contains(" train --output \(run.path) model.width=4 "))
            #expect(command.contains("mpirun --oversubscribe -np 2 "))
            let events = try Scratch.text(run.path + "/events.log")
            #expect(events.contains("checkpoint step-00000027") && events.contains("finished 3 epochs, 27 steps"))
        }

        @Test("environment.json tells of hosts, ranks, cores, libraries, processor, build, images, beginning and end")
        func environment() throws {
            let path = try TrainedRun.onTwoRanks.get().path + "/environment.json"
            let data = try #require(FileManager.default.contents(atPath: path))
            let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            #expect((object["hosts"] as? [String])?.count == 1)
            #expect(object["ranks"] as? Int == 2)
            #expect((object["threads_per_rank"] as? Int ?? 0) >= 1)
            #expect((object["mpi"] as? String)?.contains("MPI") == true)
            #expect((object["blas"] as? String)?.contains("OpenBLAS") == true)
            #expect((object["blas_kernel"] as? String)?.isEmpty == false)
            #expect((object["processor"] as? String)?.isEmpty == false)
            #expect(object["version"] as? String == "0.1.0")
            let version = try robustmoe(["--version"]).output
            let commit = try #require(object["commit"] as? String)
            // The build knows it in a checkout, and the environment of the run elsewhere.
            #expect(version.contains("\ncommit \(commit)\n") || commit == "0123abc", "\(commit)")
            for key in ["build", "compiler"] { #expect(version.contains(try #require(object[key] as? String))) }
            let hosts = try #require(object["ranks_of_hosts"] as? [[String: Any]])
            #expect(hosts.count == 1 && hosts[0]["ranks"] as? String == "0-1")
            #expect((hosts[0]["cores"] as? String)?.isEmpty == false && hosts[0]["online_cores"] as? Int ?? 0 >= 1)
            let digests = try #require(object["data_sha256"] as? [String: String])
            #expect(digests.keys.sorted() == ["test", "train"] && digests.values.allSatisfy { $0.count == 64 })
            let (started, ended) = (object["started_at"] as? String ?? "", object["ended_at"] as? String ?? "")
            #expect(started.hasSuffix("Z") && ended.hasSuffix("Z") && started <= ended)
            #expect(object["exit_status"] as? Int == 0)
        }

        @Test("the tables have the contract's columns in its order")
        func columns() throws {
            let run = try TrainedRun.onTwoRanks.get()
            let expected = [
                "metrics.csv": "epoch,step,split,inputs,loss,task_loss,balance_loss,accuracy,samples,learning_rate,"
                    + "wall_seconds,images_per_second,attack_seconds,allreduce_seconds,communication_seconds,gradient_norm,"
                    + "probe_accuracy,robust_gap,backward_seconds,checkpoint_seconds,least_work_seconds,most_work_seconds,"
                    + "wire_bytes,quantization_error",
                "experts.csv": "epoch,step,split,inputs,layer,expert,count,fraction,probability_mass,dead",
                "routing.csv":
                    "epoch,step,split,inputs,layer,samples,usage_entropy,router_entropy,max_over_mean,flip_rate,alarm",
                "evaluation.csv": "checkpoint,checkpoint_sha256,dataset,split,samples,attack,norm,epsilon,step_size,"
                    + "steps,restarts,objective,random_start,batch_norm,routing,seed,correct,accuracy,accuracy_low,"
                    + "accuracy_high,seconds,flags,normalization",
            ]
            for (table, columns) in expected {
                let text = try Scratch.text("\(run.path)/\(table)")
                #expect(text.hasPrefix("schema_version,run_id,\(columns)\n"), "\(table)")
                #expect(text.hasSuffix("\n") && !text.contains("\r"))
            }
            let rows = try run.rows("metrics.csv")
            #expect(Set(rows.map { $0["run_id"] }).count == 1)
            #expect(Set(rows.map { $0["split"] }) == ["train", "test"])
            let attack = "pgd-linf-8of255-1"
            #expect(Set(rows.filter { $0["split"] == "train" }.map { $0["inputs"] }) == [attack])
            #expect(Set(rows.filter { $0["split"] == "test" }.map { $0["inputs"] }) == ["clean", attack])
            #expect(Set(try run.rows("evaluation.csv").map { $0["attack"] }) == ["none", attack, "worst-case"])
        }

        private func expectWholeCounts(_ run: TrainedRun, layers: Int, topK: Int) throws {
            var samples: [[String?]: Int] = [:]
            for row in try run.rows("metrics.csv") {
                samples[["step", "split", "inputs"].map { row[$0] }] = try number(row, "samples")
            }
            var counts: [[String?]: Int] = [:]
            for row in try run.rows("experts.csv") {
                counts[["step", "split", "inputs", "layer"].map { row[$0] }, default: 0] += try number(row, "count")
            }
            #expect(counts.count == samples.count * layers)
            for (key, count) in counts { #expect(count == topK * (samples[Array(key.prefix(3))] ?? -1), "\(key)") }
        }

        private func number(_ row: [String: String], _ column: String) throws -> Int {
            try #require(row[column].flatMap { Int($0) }, "\(column)")
        }

        @Test("every image counts once for every expert chosen, in every layer, and attack passes never")
        func counts() throws {
            try expectWholeCounts(try TrainedRun.onTwoRanks.get(), layers: 5, topK: 1)
            try expectWholeCounts(try TrainedRun.onOneRank.get(), layers: 5, topK: 1)
            let blocks = TrainedRun(path: try Scratch.folder() + "/run")
            let outcome = try robustmoe(
                TrainedRun.arguments(
                    blocks.path, ["moe.kind=block", "moe.top_k=2", "moe.balance.loss=entropy", "training.epochs=1"]),
                ranks: 2)
            #expect(outcome.status == 0, "\(outcome.errors)")
            try expectWholeCounts(blocks, layers: 2, topK: 2)
        }

        @Test("images_per_second are the samples over the wall time of training, which is part of the process's")
        func speed() throws {
            let run = TrainedRun(path: try Scratch.folder() + "/run")
            let outcome = try robustmoe(TrainedRun.arguments(run.path), ranks: 2)
            let rows = try run.rows("metrics.csv").filter { $0["split"] == "train" }
            var total = 0.0
            for row in rows {
                let wall = try #require(Double(row["wall_seconds"] ?? ""))
                let speed = try #require(Double(row["images_per_second"] ?? ""))
                let attack = try #require(Double(row["attack_seconds"] ?? ""))
                let waiting = try #require(Double(row["allreduce_seconds"] ?? ""))
                #expect(abs(speed * wall / Double(try number(row, "samples")) - 1) < 0.01)
                #expect(attack > 0 && attack < wall)
                #expect(waiting >= 0 && waiting < wall)
                let backward = try #require(Double(row["backward_seconds"] ?? ""))
                let work = try ["least_work_seconds", "most_work_seconds"].map { try #require(Double(row[$0] ?? "")) }
                #expect(backward > 0 && work[0] <= work[1] && work[1] <= attack + backward + 1e-6)
                #expect(work[1] < wall)
                total += wall
            }
            #expect(total > 0 && total <= outcome.seconds)
            #expect(rows.map { $0["samples"] ?? "" } == ["60", "60", "8", "45", "60", "23", "30", "60", "38"])
        }
    }
}
