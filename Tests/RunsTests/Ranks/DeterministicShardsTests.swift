import Collectives
import Networks
import TestSupport
import Testing

@testable import Configuration
@testable import Files
@testable import Runs
@testable import Training

extension RankTests {
    @Suite("Deterministic shards")
    @MainActor
    struct DeterministicShards {
        let communicator = Ranks.communicator
        static let shards = 6
        /// Images of each step; the last one leaves a shard empty.
        static let batches = [0..<13, 13..<22, 5..<16, 3..<8]

        /// What training leaves behind, bit for bit.
        struct Traces: Equatable {
            var weights: [UInt32] = []
            var statistics: [UInt32] = []
            var momentum: [UInt32] = []
            var window = TrainingWindow()
            var state: [NamedTensor] = []
        }

        /// Takes a few steps of training from the scene's weights and returns what is left behind.
        private func train(_ scene: RankScene, _ communicator: any Communicator) throws -> Traces {
            let each = Self.shards / communicator.size
            let step = scene.trainingStep(communicator, stepsPerEpoch: 4)
            var traces = Traces()
            for (number, range) in Self.batches.enumerated() {
                let outcome = try step.run(
                    scene.batch(communicator, shards: each, range), step: number, wantsToStop: false)
                for update in outcome.updates {
                    traces.window.add(
                        update.passes[0], images: range.count, gradientNorm: update.gradientNorm,
                        learningRate: update.rate)
                }
            }
            func bits(_ values: some Sequence<Float>) -> [UInt32] { values.map(\.bitPattern) }
            traces.weights = bits(scene.network.parameters.values)
            traces.statistics = bits(scene.network.parameters.statistics)
            traces.momentum = bits(step.momentum)
            traces.state = step.method.state + (step.average?.tensors(scene.network) ?? [])
            return traces
        }

        @Test(
            "Weights, momentum, statistics and sums are the bits of one rank with as many shards",
            arguments: MixtureCase.all + [MixtureCase.onTrunk], [Normalization.local, .synchronized])
        func bits(mixture: MixtureCase, batchNorm: Normalization) throws {
            guard Self.shards % communicator.size == 0 else { return }
            var configuration = mixture.configuration
            configuration.training.method = .pgd
            configuration.training.optimizer.nesterov = true
            configuration.attack.steps = 2
            configuration.moe.noise = 1
            configuration.distributed.deterministicShards = Self.shards
            configuration.distributed.batchNorm = batchNorm
            let first = try RankScene(configuration, images: 22)
            let start = first.network.parameters.values.map(\.bitPattern)
            let found = try train(first, communicator)
            let expected = try train(try RankScene(configuration, images: 22), SoloCommunicator())
            // Not whole values: thousands of weights are too long to print.
            let isEqual = [
                found.weights == expected.weights, found.statistics == expected.statistics,
                found.momentum == expected.momentum,
            ]
            #expect(isEqual == [true, true, true])
            #expect(found.window == expected.window)
            let hasMoved = found.weights != start
            #expect(hasMoved)
            try ReplicaCheck.run(first.network.parameters, communicator)
        }

        @Test(
            "Free's noise, averages of weights and clipped gradients are the bits of one rank too",
            arguments: [RunConfiguration.Training.Method.standard, .fast, .free, .trades, .mart])
        func methods(_ method: RunConfiguration.Training.Method) throws {
            guard Self.shards % communicator.size == 0 else { return }
            var configuration = MixtureCase.all[1].configuration
            configuration.training.method = method
            configuration.training.methods.free.replays = 2
            configuration.training.globalBatch = 13
            configuration.training.weightAverage = 0.75
            configuration.training.optimizer.clipNorm = 0.5
            configuration.attack.stepSize = configuration.attack.epsilon
            configuration.attack.batchNorm = .batchUpdating
            configuration.attack.routing = .noisy
            configuration.moe.noise = 1
            configuration.distributed.deterministicShards = Self.shards
            configuration.distributed.batchNorm = .local
            let found = try train(try RankScene(configuration, images: 22), communicator)
            let expected = try train(try RankScene(configuration, images: 22), SoloCommunicator())
            let isEqual = [
                found.weights == expected.weights, found.statistics == expected.statistics,
                found.momentum == expected.momentum, found.state == expected.state,
            ]
            #expect(isEqual == [true, true, true, true])
            #expect(found.window == expected.window)
            #expect(found.state.contains { $0.name == FreeNoise.name } == (method == .free))
            #expect(found.state.contains { $0.name == "fc.weight.average" })
        }

        @Test("Shards that the ranks cannot share out evenly are refused on every rank")
        func unevenShards() throws {
            if communicator.size == 1 { return }
            var configuration = MixtureCase.all[0].configuration
            configuration.data.dataset = .synthetic
            configuration.data.trainSamples = 4
            configuration.data.testSamples = 4
            configuration.distributed.deterministicShards = communicator.size + 1
            let error = #expect(throws: RunError.self) {
                _ = try Trainer(configuration, communicator: communicator, threads: 1, checkpoint: nil)
            }
            #expect("\(try #require(error))".contains("expected a multiple of the \(communicator.size) ranks"))
            #expect(ExitStatus(try #require(error)) == .usage)
        }
    }
}
