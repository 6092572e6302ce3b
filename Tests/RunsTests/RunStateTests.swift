import Foundation
import Networks
import TestSupport
import Testing

@testable import Configuration
@testable import Datasets
@testable import Files
@testable import Runs
@testable import Training

@Suite("run states")
struct RunStateTests {
    private let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    private func state() throws -> RunState {
        var configuration = RunConfiguration()
        configuration.training.seed = 77
        configuration.moe.kind = .given(.block)
        configuration.attack.epsilon = 0.1
        var window = TrainingWindow()
        window.add(
            PassOutcome(lossSum: 0.3, correct: 2, balanceLoss: 0, layers: []), images: 5, gradientNorm: 0.7,
            learningRate: 0.01)
        return RunState(
            runID: "abc", step: 17, stepsPerEpoch: 5, configuration: configuration.yaml(),
            configurationHash: RunState.hash(of: configuration), tableOffsets: ["metrics": 123, "experts": 0],
            blasKernel: "SkylakeX", ranks: 3, windows: [window], bestRobustAccuracy: 1 / 3, isEvaluationDue: true,
            images: DataIdentity(SyntheticImages().images(.train, count: 12), validation: [3, 5]))
    }

    private func checkpoint(_ data: Data) throws -> Checkpoint {
        try CheckpointStore(directory: scratch("checkpoints"))
            .write(step: 17, files: [CheckpointFile(name: "state.json", bytes: data)])
    }

    @Test("A state comes back from its checkpoint as it was, configuration and all")
    func roundTrip() throws {
        let state = try state()
        let back = try RunState.read(from: try checkpoint(try state.data()))
        #expect(back.runID == "abc" && back.step == 17 && back.stepsPerEpoch == 5 && back.ranks == 3)
        #expect(back.windows == state.windows && back.bestRobustAccuracy == 1 / 3)
        #expect(back.isEvaluationDue && back.images == state.images && back.images.validationImages == 2)
        #expect(back.tableOffsets == state.tableOffsets && back.blasKernel == "SkylakeX")
        let configuration = try back.runConfiguration(origin: "state.json")
        #expect(configuration.training.seed == 77 && configuration.attack.epsilon == 0.1)
        #expect(RunState.hash(of: configuration) == back.configurationHash)
        #expect(try back.data() == state.data())
    }

    /// Changes of `state.json` that no run writes, and what the refusal names.
    private static let changes: [(String, String, String)] = [
        ("\"step\" : 17", "\"step\" : -1", "step: found -1, expected 17, the step of its manifest"),
        ("\"step\" : 17", "\"step\" : 18", "step: found 18, expected 17"),
        ("\"steps_per_epoch\" : 5", "\"steps_per_epoch\" : 0", "steps_per_epoch: found 0, expected from 1 to"),
        ("\"steps_per_epoch\" : 5", "\"steps_per_epoch\" : 9223372036854775807", "steps_per_epoch: found 922337"),
        ("\"ranks\" : 3", "\"ranks\" : -9223372036854775808", "ranks: found -922337"),
        ("\"ranks\" : 3", "\"ranks\" : 1e400", "expected a run's state"),
        ("\"ranks\" : 3", "\"ranks\" : \"3\"", "expected a run's state"),
        ("\"metrics\" : 123", "\"metrics\" : -1", "table_offsets.metrics: found -1, expected from 0 to"),
        ("\"metrics\" : 123", "\"metrics\" : 9223372036854775807", "table_offsets.metrics: found 922337"),
        ("\"run_id\" : \"abc\"", "\"run_id\" : \"\"", "run_id: found , expected 1 to 64 bytes"),
        ("\"run_id\" : \"abc\"", "\"run_id\" : \"a\\u001b[2J\\n\"", "run_id: found a\\u{1b}[2J\\u{a}, expected"),
        ("\"passedImages\" : 5", "\"passedImages\" : -5", "windows.0.passedImages: found -5, expected from 0 to"),
        ("\"passedImages\" : 5", "\"passedImages\" : 9223372036854775807", "windows.0.passedImages: found 922337"),
        ("\"correct\" : 2", "\"correct\" : -2", "windows.0.correct: found -2"),
        ("\"updates\" : 1", "\"updates\" : 9223372036854775807", "windows.0.updates: found 922337"),
        ("\"chosen\" : [", "\"chosen\" : [1e300,", "windows.0.layers.0.sums: found layer4.0"),
        ("\"best\" : [", "\"best\" : [-1e300,", "windows.0.layers.0.sums: found layer4.0"),
        ("\"squares\" : [", "\"squares\" : [1,", "windows.0.layers.0.sums: found layer4.0"),
        ("\"best_robust_accuracy\" : 0.25", "\"best_robust_accuracy\" : -7", "best_robust_accuracy: found -7"),
    ]

    @Test("A number that no run writes is refused with its field, its value and what is allowed", arguments: changes)
    func oddities(from: String, to: String, refusal: String) throws {
        var state = try state()
        state.bestRobustAccuracy = 0.25
        state.windows[0].layers = [ExpertUsage(layer: "layer4.0", sums: RouterSums(experts: 2))]
        let text = String(decoding: try state.data(), as: UTF8.self)
        _ = try RunState.read(from: try checkpoint(Data(text.utf8)))
        #expect(text.contains(from))
        let odd = try checkpoint(Data(text.replacing(from, with: to, maxReplacements: 1).utf8))
        let error = #expect(throws: (any Error).self) { _ = try RunState.read(from: odd) }
        let message = "\(try #require(error))"
        #expect(message.contains("/state.json: ") && message.contains(refusal), "\(message)")
        #expect(ExitStatus(try #require(error)) == .checkpoint && !message.contains("\n"))
    }

    @Test("Windows of another method, other layers or another number of experts are refused")
    func windows() throws {
        let network = try TinyNetwork.make()
        var state = try state()
        func refusal() -> String? {
            do {
                try state.validateWindows(inputs: 1, network, from: "run")
                return nil
            } catch { return "\(error)" }
        }
        #expect(refusal() == nil)
        let layers = network.mixtureLayers
        state.windows[0].layers = layers.map { ExpertUsage(layer: $0, sums: RouterSums(experts: 2)) }
        #expect(refusal() == nil)
        state.windows[0].layers[0].sums = RouterSums(experts: 3)
        #expect(refusal()?.contains("found 3 experts of \(layers[0]), expected 2") == true)
        state.windows[0].layers.removeLast()
        #expect(refusal()?.contains("windows.0.layers: found") == true)
        state.windows = []
        #expect(refusal()?.contains("windows: found 0, expected 1") == true)
    }

    @Test("The hash of a configuration changes with any key")
    func hash() {
        var configuration = RunConfiguration()
        let first = RunState.hash(of: configuration)
        #expect(first.count == 64 && first == RunState.hash(of: RunConfiguration()))
        configuration.training.optimizer.decayExclude = ["bias"]
        #expect(RunState.hash(of: configuration) != first)
    }

    @Test("Another format version and text that is no state are refused with what was expected")
    func refusals() throws {
        var future = try state()
        for version in [2, 4] {
            future.formatVersion = version
            let other = try checkpoint(try future.data())
            #expect { _ = try RunState.read(from: other) } throws: {
                let text = "\($0)"
                return text.contains("found a checkpoint of format \(version), expected 3")
                    && text.contains("--layout robustmoe") && ExitStatus($0) == .checkpoint
            }
        }
        // What an old program wrote is refused by its number, before anything in it is missed.
        let old = try checkpoint(Data("{\"format_version\": 1}".utf8))
        #expect { _ = try RunState.read(from: old) } throws: {
            "\($0)".contains("--layout robustmoe") && ExitStatus($0) == .checkpoint
        }
        let broken = try checkpoint(Data("{\"step\": 4}".utf8))
        #expect { _ = try RunState.read(from: broken) } throws: {
            "\($0)".contains("state.json: expected a run's state") && ExitStatus($0) == .checkpoint
        }
    }
}
