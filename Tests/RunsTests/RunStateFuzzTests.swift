import Foundation
import Networks
import TestSupport
import Testing

@testable import Configuration
@testable import Datasets
@testable import Files
@testable import Runs
@testable import Training

@Suite("Damaged states of runs")
struct RunStateFuzzTests {
    @Test("states changed anywhere are taken up or refused")
    func states() throws {
        let scratch = try ScratchFolder()
        let network = try TinyNetwork.make()
        var window = TrainingWindow()
        window.add(
            PassOutcome(
                lossSum: 0.3, correct: 2, balanceLoss: 0.125,
                layers: network.mixtureLayers.map { ExpertUsage(layer: $0, sums: RouterSums(experts: 2)) }),
            images: 5, gradientNorm: 0.7, learningRate: 0.01)
        let configuration = RunConfiguration()
        let state = RunState(
            runID: "abc", step: 17, stepsPerEpoch: 5, configuration: configuration.yaml(),
            configurationHash: RunState.hash(of: configuration), tableOffsets: ["metrics": 123, "experts": 0],
            blasKernel: "SkylakeX", ranks: 3, windows: [window], bestRobustAccuracy: 0.25,
            isEvaluationDue: false,
            images: DataIdentity(SyntheticImages().images(.train, count: 12), validation: [3, 5]))
        let good = Array(try state.data())
        // The configuration is most of the text; its own tests change that.
        var short = state
        short.configuration = "{}"
        let inputs = [good, Array(try short.data())]
        var mutation = Mutation(seed: 1)
        for index in 0..<Mutation.inputs {
            let bytes = mutation.mutate(inputs[min(index % 8, 1)])
            try scratch.write(bytes, to: "state.json")
            let digest = FileDigest(bytes: bytes.count, sha256: "")
            let checkpoint = Checkpoint(path: scratch.path, step: 17, files: ["state.json": digest])
            do {
                let state = try RunState.read(from: checkpoint)
                try state.validateWindows(inputs: 1, network, from: scratch.path)
                try takeUp(state, window)
            } catch let error as any ErrorWithStatus {
                #expect(error is RunError || error is ConfigurationError)
            }
        }
    }

    /// Does with a state what a run does that goes on from it.
    private func takeUp(_ state: RunState, _ more: TrainingWindow) throws {
        _ = try state.data()
        _ = try state.runConfiguration(origin: "state.json")
        var window = state.windows[0]
        let position = RowPosition(
            epoch: state.step / state.stepsPerEpoch, step: state.step, split: "train", inputs: "x")
        window.add(
            PassOutcome(lossSum: 1, correct: 1, balanceLoss: 1, layers: more.layers), images: 1, gradientNorm: 1,
            learningRate: 1)
        _ = window.metricsRow(position).values.map(\.field)
        for layer in window.layers {
            _ = layer.expertRows(position).map { $0.values.map(\.field) }
            _ = layer.routingRow(position, samples: window.samples).values.map(\.field)
        }
    }
}
