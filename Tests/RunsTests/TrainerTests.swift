import Attacks
import Collectives
import Foundation
import TestSupport
import Testing

@testable import Configuration
@testable import Evaluation
@testable import Files
@testable import Runs
@testable import Weights

@Suite("trainers", .serialized)
struct TrainerTests {
    private let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    private func trainer(
        _ configuration: RunConfiguration, in name: String, opening: RunDirectory.Opening = .fresh,
        from checkpoint: Checkpoint? = nil
    ) throws -> Trainer {
        let trainer = try Trainer(
            configuration, communicator: SoloCommunicator(), threads: 1, checkpoint: checkpoint)
        try trainer.record(
            in: try RunDirectory(scratch(name), opening: opening), ownsCheckpoint: checkpoint != nil)
        return trainer
    }

    @Test("A network learns 64 images by heart, and PGD then breaks it")
    func smoke() throws {
        var configuration = RunConfiguration()
        configuration.model.width = 8
        configuration.moe.kind = .given(.conv)
        configuration.data.dataset = .synthetic
        configuration.data.trainSamples = 64
        configuration.data.testSamples = 8
        configuration.training.epochs = 30
        configuration.training.globalBatch = 16
        configuration.training.optimizer.rate = 0.05
        configuration.evaluation.everyEpochs = 30
        var weak = RunConfiguration.Attack()
        weak.steps = 2
        configuration.evaluation.attacks = [weak]
        let trainer = try trainer(configuration, in: "smoke")
        #expect(try trainer.run() == .done)
        var attack = RunConfiguration.Attack()
        attack.steps = 20
        // Classes of the synthetic set lie far apart: it takes twice the usual ball to break all images for certain.
        attack.epsilon = 16.0 / 255
        let evaluator = Evaluator(
            trainer.step.passes, SoloCommunicator(), chunk: configuration.evaluation.chunk,
            seed: configuration.training.seed)
        let strong = try #require(attack.evaluatedAttack)
        let result = try #require(
            try evaluator.run(trainer.data.train, trainer.data.trainIndices, attacks: [strong]).result)
        // Rounding decides which of many trajectories a run of 120 steps takes: 0.86 to 1 were seen, chance is 0.1.
        #expect(result.inputs[0].accuracy > 0.75)
        #expect(result.inputs[1].accuracy < 0.2)
        #expect(result.perSample.allSatisfy { $0.outcomes[0].distance <= 16.0 / 255 + 0x1p-24 })
    }

    /// Everything that draws random numbers or keeps something from step to step.
    private func eventful(_ method: RunConfiguration.Training.Method = .pgd) -> RunConfiguration {
        var configuration = RunConfiguration()
        configuration.model.width = 4
        configuration.moe.kind = .given(.conv)
        configuration.moe.placement = ["layer3.1", "layer4.0"]
        configuration.moe.topK = 2
        configuration.moe.noise = 1
        configuration.moe.balance.loss = .given(.switchLoss)
        configuration.data.dataset = .synthetic
        configuration.data.trainSamples = 38
        configuration.data.testSamples = 10
        configuration.data.augmentation = [.crop, .flip]
        configuration.training.method = method
        configuration.training.methods.free.replays = 2
        configuration.training.weightAverage = method == .free ? 0.75 : nil
        configuration.training.optimizer.clipNorm = method == .free ? 0.5 : nil
        configuration.training.epochs = 3
        configuration.training.globalBatch = 12
        configuration.training.optimizer.nesterov = true
        configuration.training.schedule.warmupEpochs = 0.5
        configuration.training.validationFraction = 0.1
        configuration.training.keep = 20
        configuration.attack.steps = 2
        configuration.evaluation.everyEpochs = 2
        return configuration
    }

    /// The table without the columns that are no function of the training: the run's name, the checkpoint's, and times.
    private func table(_ run: String, _ name: String) throws -> [[String]] {
        let dropped: Set = ["run_id", "checkpoint", "images_per_second"]
        let lines = try scratch.text("\(run)/\(name).csv").split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        let header = try #require(lines.first)
        let kept = header.indices.filter { !dropped.contains(header[$0]) && !header[$0].hasSuffix("seconds") }
        return lines.map { line in kept.map { line[$0] } }
    }

    private func checkpoint(_ run: String, _ step: Int) throws -> Checkpoint {
        try Checkpoint.verify(scratch("\(run)/checkpoints/\(CheckpointStore.name(ofStep: step))"))
    }

    @Test(
        "A run stopped twice and resumed has the bits and the tables of the run that never stopped",
        arguments: [RunConfiguration.Training.Method.pgd, .free, .advmoe])
    func resume(_ method: RunConfiguration.Training.Method) throws {
        func eventful() -> RunConfiguration { self.eventful(method) }
        // Three steps an epoch, the last of them short: 4 and 8 are no ends of epochs.
        let whole = try trainer(eventful(), in: "whole")
        #expect(whole.stepsPerEpoch == 3)
        #expect(try whole.run() == .done)

        var stopping = eventful()
        stopping.training.stopAfterSteps = 4
        #expect(try trainer(stopping, in: "parts").run() == .stoppedEarly)
        // Rows that a killed run wrote behind its checkpoint.
        for name in ["metrics", "experts", "routing", "evaluation"] {
            let text = try scratch.text("parts/\(name).csv")
            try scratch.write(text + "1,dead,1,4,train\n", to: "parts/\(name).csv")
        }
        stopping.training.stopAfterSteps = 8
        let second = try trainer(stopping, in: "parts", opening: .resume, from: try checkpoint("parts", 4))
        #expect(try second.run() == .stoppedEarly)
        let last = try trainer(eventful(), in: "parts", opening: .resume, from: try checkpoint("parts", 8))
        #expect(try last.run() == .done)

        let hasState = method == .free
        for file in ["model.safetensors", "optimizer.safetensors"] + (hasState ? ["state.safetensors"] : []) {
            let expected = try #require(try checkpoint("whole", 9).files[file])
            #expect(try checkpoint("parts", 9).files[file] == expected, "\(file)")
            #expect(try checkpoint("whole", 6).files[file] != expected, "\(file) does not change")
        }
        for name in ["metrics", "experts", "routing", "evaluation"] {
            let (found, expected) = (try table("parts", name), try table("whole", name))
            #expect(found == expected, "\(name).csv")
            #expect(expected.count > 1, "\(name).csv is empty")
        }
        // Three rows of training, twice as many where clean images are a pass too, and clean and attacked images after
        // the second and the third epoch.
        let metrics = try table("whole", "metrics")
        // Averaged weights are evaluated beside the others.
        #expect(metrics.count == 1 + (method == .advmoe ? 6 : 3) + (hasState ? 8 : 4))
        let samples = try #require(metrics[0].firstIndex(of: "samples"))
        #expect(metrics[1][samples] == "34")
    }

    @Test("Checkpoints between epochs change nothing but their number")
    func checkpointsAreSilent() throws {
        var often = eventful()
        often.training.epochs = 1
        let rare = often
        often.training.checkpointEvery = 1
        #expect(try trainer(often, in: "often").run() == .done)
        #expect(try trainer(rare, in: "rare").run() == .done)
        #expect(try scratch.names(in: "often/checkpoints").count { $0.hasPrefix("step-") } == 3)
        #expect(try scratch.names(in: "rare/checkpoints").count { $0.hasPrefix("step-") } == 1)
        for file in ["model.safetensors", "optimizer.safetensors"] {
            #expect(try checkpoint("often", 3).files[file] == checkpoint("rare", 3).files[file], "\(file)")
        }
    }

    @Test("A checkpoint of another run's settings is refused, naming the key")
    func conflict() throws {
        var short = eventful()
        short.training.stopAfterSteps = 1
        #expect(try trainer(short, in: "first").run() == .stoppedEarly)
        short.training.seed += 1
        #expect { _ = try trainer(short, in: "first", opening: .resume, from: checkpoint("first", 1)) } throws: {
            "\($0)".contains("training.seed") && ExitStatus($0) == .checkpoint
        }
    }

    @Test("A weight that is not a number ends the run with the step, the rank and the layer")
    func notANumber() throws {
        let trainer = try trainer(eventful(), in: "broken")
        let slot = try #require(trainer.network.parameters.slots.first { $0.name == "layer2.0.conv1.weight" })
        trainer.network.parameters.update { $0.values(of: slot)[0] = .nan }
        let error = #expect(throws: RunError.self) { _ = try trainer.run() }
        let text = "\(try #require(error))"
        #expect(text.contains("step 0: the loss is not finite"))
        #expect(text.contains("rank 0 on ") && text.contains("layer layer2.0.conv1 gave nan"))
        #expect(ExitStatus(try #require(error)) == .numerical)
    }

    @Test(
        "A router whose score is not a number ends training and evaluations, naming it, though every image finds an expert"
    )
    func routerNotANumber() throws {
        var configuration = eventful()
        // The weight of a single choice is 1, whatever the score: no loss feels it.
        configuration.moe.topK = 1
        let trainer = try trainer(configuration, in: "broken-router")
        let router = "layer4.0.conv2"
        let slot = try #require(trainer.network.parameters.slots.first { $0.name == "\(router).router.bias" })
        trainer.network.parameters.update { $0.values(of: slot)[1] = .nan }
        let words = "the router of layer \(router) gave nan"
        let evaluator = Evaluator(trainer.step.passes, SoloCommunicator(), chunk: 8, seed: 1)
        #expect { _ = try evaluator.run(trainer.data.train, [0, 1], attacks: []) } throws: {
            "\($0)".contains(words) && ExitStatus($0) == .numerical
        }
        #expect { _ = try trainer.run() } throws: {
            "\($0)".contains("step 0: a router's score is not finite") && "\($0)".contains(words)
                && ExitStatus($0) == .numerical
        }
    }

    @Test("A new run begins with another's weights and nothing else of it")
    func initialCheckpoint() throws {
        var first = eventful()
        first.training.epochs = 1
        #expect(try trainer(first, in: "first").run() == .done)
        var second = first
        second.training.initialCheckpoint = scratch("first")
        second.training.seed += 1
        let trainer = try trainer(second, in: "second")
        let saved = try checkpoint("first", 3).tensors(in: "model.safetensors")
        for tensor in ModelTensors.tensors(trainer.network) { #expect(saved[tensor.name] == tensor) }
        #expect(trainer.done == 0 && trainer.step.momentum.allSatisfy { $0 == 0 })
        second.model.width = 8
        #expect { _ = try self.trainer(second, in: "third") } throws: {
            "\($0)".contains("another architecture") && ExitStatus($0) == .checkpoint
        }
    }

    @Test("A new run begins with a file of weights in any layout, and a dense one fills every expert")
    func initialFile() throws {
        var dense = eventful()
        dense.moe.kind = .none
        dense.training.parameters = .all
        dense.training.epochs = 1
        #expect(try trainer(dense, in: "dense").run() == .done)
        let saved = try checkpoint("dense", 3).tensors(in: "model.safetensors")
        let foreign = saved.values.filter { !$0.name.hasPrefix("normalize.") && !$0.name.hasSuffix("batches_tracked") }
        try SafetensorsFile.write(foreign, to: scratch("weights"))
        var second = dense
        second.training.seed += 1
        second.training.initialCheckpoint = scratch("weights")
        second.training.initialLayout = .torchvision
        let plain = try trainer(second, in: "plain")
        for tensor in ModelTensors.tensors(plain.network) where !tensor.name.hasSuffix("batches_tracked") {
            #expect(saved[tensor.name] == tensor)
        }
        #expect(try plain.run() == .done)
        let words = "begins with weights \(scratch("weights")), layout torchvision, images normalised by this run's"
        #expect(try scratch.text("plain/events.log").contains(words))
        second.training.initialLayout = .robustmoe
        #expect { _ = try self.trainer(second, in: "no") } throws: {
            "\($0)".contains("expected a tensor normalize.mean")
        }
        for (name, layout) in [("weights", CheckpointLayout.torchvision), ("dense", .robustmoe)] {
            var mixture = eventful()
            mixture.training.initialCheckpoint = scratch(name)
            mixture.training.initialLayout = layout
            let trainer = try trainer(mixture, in: "mixture-\(name)")
            let experts = ModelTensors.tensors(trainer.network).filter { $0.name.contains("layer4.0.conv1.experts.") }
            #expect(experts.count > 1)
            for expert in experts { #expect(expert.values == saved["layer4.0.conv1.weight"]?.values) }
        }
        second.training.initialCheckpoint = scratch("dense")
        second.training.initialLayout = .torchvision
        #expect { _ = try self.trainer(second, in: "no") } throws: {
            "\($0)".contains("initial_checkpoint is no file") && ExitStatus($0) == .usage
        }
    }

    @Test("Attacks may be made every other evaluation, or after the last epoch alone")
    func attacksNowAndThen() throws {
        for (every, expected) in [
            (2, ["clean", "clean", "pgd", "clean", "pgd"]), (0, ["clean", "clean", "clean", "pgd"]),
        ] {
            var configuration = eventful()
            configuration.evaluation.everyEpochs = 1
            configuration.evaluation.attacksEveryEpochs = every
            configuration.attack.id = "pgd"
            #expect(try trainer(configuration, in: "every-\(every)").run() == .done)
            let rows = try table("every-\(every)", "metrics")
            let column = try #require(rows[0].firstIndex(of: "inputs"))
            let split = try #require(rows[0].firstIndex(of: "split"))
            #expect(rows.filter { $0[split] == "validation" }.map { $0[column] } == expected)
        }
    }
}
