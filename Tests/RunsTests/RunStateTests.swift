import Foundation
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
