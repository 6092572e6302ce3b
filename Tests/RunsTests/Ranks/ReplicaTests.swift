import Networks
import Tensors
import TestSupport
import Testing

@testable import Files
@testable import Runs
@testable import Training

extension RankTests {
    @Suite("Replicas")
    @MainActor
    struct Replicas {
        let communicator = Ranks.communicator

        @Test(
            "One flipped bit is an error on all ranks that names slot and rank, of two ranks both",
            arguments: ["conv1.weight", "layer2.0.conv1.experts.1.weight", "layer2.0.bn1.running_var", "fc.bias"],
            [false, true])
        func flippedBit(name: String, isOnRankZero: Bool) throws {
            let scene = try RankScene(
                MixtureCase(kind: .conv, topK: 1, loss: .entropy).configuration, images: 4)
            let parameters = scene.network.parameters
            try ReplicaCheck.run(parameters, communicator)
            if communicator.size == 1 { return }
            let odd = isOnRankZero ? 0 : communicator.size - 1
            let slot = try #require(parameters.slots.first { $0.name == name })
            if communicator.rank == odd {
                parameters.update {
                    let values = $0.values(of: slot)
                    values[slot.count - 1] = Float(bitPattern: values[slot.count - 1].bitPattern ^ 1)
                }
            }
            let error = #expect(throws: RunError.self) { try ReplicaCheck.run(parameters, communicator) }
            let host = communicator.hostName
            #expect(
                "\(try #require(error))".contains(
                    communicator.size == 2
                        ? "\(name) differs between ranks 0 (\(host)), 1 (\(host)), and no majority tells"
                        : "\(name) on rank \(odd) (\(host)) is not what the other \(communicator.size - 1) of"))
            #expect(ExitStatus(try #require(error)) == .peer)
        }

        @Test("Ranks that differ from the majority are named, whatever rank 0 holds; without a majority all are")
        func groups() throws {
            if communicator.size < 3 { return }
            let scene = try RankScene(MixtureCase(kind: .conv, topK: 1, loss: .entropy).configuration, images: 4)
            let parameters = scene.network.parameters
            let slot = try #require(parameters.slots.first { $0.name == "fc.bias" })
            parameters.update { $0.values(of: slot)[0] = Float(communicator.rank) }
            let error = #expect(throws: RunError.self) {
                try ReplicaCheck.run(scene.network.parameters, communicator)
            }
            #expect("\(try #require(error))".contains("no majority"))
        }

        @Test("The flip that a drill asks for is found before the next checkpoint")
        func drill() throws {
            if communicator.size == 1 { return }
            let scene = try RankScene(MixtureCase(kind: .block, topK: 1, loss: .entropy).configuration, images: 4)
            let drill = try #require(FaultDrill("flip:1:3"))
            try drill.happen(rank: communicator.rank, step: 2, scene.network.parameters)
            try ReplicaCheck.run(scene.network.parameters, communicator)
            try drill.happen(rank: communicator.rank, step: 3, scene.network.parameters)
            let error = #expect(throws: RunError.self) {
                try ReplicaCheck.run(scene.network.parameters, communicator)
            }
            #expect("\(try #require(error))".contains("conv1.weight "))
        }

        @Test(
            "Running statistics are the same bits on all ranks, and those of the whole batch where it normalises",
            arguments: MixtureCase.all.filter { $0.topK == 1 }, [Normalization.local, .synchronized])
        func statistics(mixture: MixtureCase, normalization: Normalization) throws {
            let scene = try RankScene(mixture.configuration, images: 7)
            let parameters = scene.network.parameters
            let reference = try scene.reference(.synchronized)
            let found = try scene.overRanks(communicator, shards: 1, normalization)
            let all = try communicator.allGather(found.statistics)
            let areReplicas = (0..<communicator.size).allSatisfy { rank in
                let start = rank * found.statistics.count
                return all[start..<start + found.statistics.count].elementsEqual(found.statistics)
            }
            #expect(areReplicas)
            #expect(found.statistics != Array(parameters.statistics))
            // What local normalisation sees of the stem is the whole batch's too; further on its inputs are others.
            for slot in parameters.slots
            where slot.isStatistic && (normalization == .synchronized || slot.name.hasPrefix("bn1.")) {
                for index in slot.range {
                    let expected = reference.statistics[index]
                    #expect(abs(found.statistics[index] - expected) <= 1e-5 * max(1, abs(expected)), "\(slot.name)")
                }
            }
        }

        @Test("An exchange during the backward pass gives what one after it gives", arguments: MixtureCase.all)
        func overlappedExchange(mixture: MixtureCase) throws {
            let scene = try RankScene(mixture.configuration, images: 7)
            let parameters = scene.network.parameters
            let range = scene.range(communicator.rank, of: communicator.size)
            let pass = scene.pass([range], .running)
            let (logits, tape) = try scene.network.forward([scene.part(range)], pass)
            let dLogits = CrossEntropy.evaluate(logits[0], Array(scene.labels[range]), divisor: 7).dLogits
            let plain = Gradients(parameters)
            var ready: [Range<Int>] = []
            plain.onReady = { ready.append($0) }
            _ = try scene.network.backward(
                [dLogits], tape, pass, into: GradientAccumulator(plain, .none), wantsInput: false)
            try communicator.allReduceSum(plain.arenas[0])
            // The whole arena is reported, from its end to its beginning, each part once.
            #expect(ready.first?.upperBound == parameters.parameterCount)
            #expect(ready.last?.lowerBound == 0)
            #expect(zip(ready, ready.dropFirst()).allSatisfy { $0.lowerBound == $1.upperBound })
            for megabytes in [0.001, 0.1, 25] {
                let exchange = GradientExchange(
                    parameters, shards: 1, isOrdered: false, bucketMegabytes: megabytes, communicator)
                for _ in 0..<2 {
                    exchange.begin([.backbone, .router], step: 0)
                    _ = try scene.network.backward(
                        [dLogits], tape, pass, into: GradientAccumulator(exchange.gradients, .none), wantsInput: false)
                    let timing = try exchange.finish()
                    #expect(timing.waited >= 0 && timing.span >= timing.waited - 1e-3)
                    let worst = zip(exchange.total, plain.arenas[0]).map { abs($0 - $1) }.max() ?? 0
                    let scale = plain.arenas[0].map(abs).max() ?? 0
                    // Two numbers have one sum; more may be added in another order.
                    #expect(communicator.size <= 2 ? worst == 0 : worst <= 1e-6 * scale)
                }
            }
        }

        @Test("A training step's gradient and loss are those of the whole batch", arguments: MixtureCase.all)
        func trainingStep(mixture: MixtureCase) throws {
            var configuration = mixture.configuration
            configuration.kernels.arithmetic = .exact
            configuration.training.optimizer.weightDecay = 0
            configuration.distributed.bucketMegabytes = 0.01
            let scene = try RankScene(configuration, images: 7, isSteady: true)
            let parameters = scene.network.parameters
            let reference = try scene.reference(.synchronized)
            let before = Array(parameters.values)
            let step = scene.trainingStep(communicator, stepsPerEpoch: 10)
            let first = try step.run(scene.batch(communicator, shards: 1), step: 3, wantsToStop: false)
            let outcome = try #require(first.updates.first)
            #expect(first.updates.count == 1)
            // The first momentum is the gradient, and the weights follow it.
            let found = BatchOutcome(
                taskLoss: outcome.passes[0].lossSum / 7,
                balanceLoss: outcome.passes[0].balanceLoss, gradient: Array(step.momentum),
                chosen: outcome.passes[0].layers.map(\.sums.chosen))
            expectAgreement(found.difference(from: reference, parameters, tolerance: 1e-5))
            let rate = Float(outcome.rate)
            let follows = parameters.values.indices.allSatisfy {
                parameters.values[$0] == before[$0] - rate * step.momentum[$0]
            }
            #expect(follows)
            let norm = found.gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            #expect(abs(outcome.gradientNorm - norm) <= 1e-5 * norm)
            #expect(!first.isAskedToStop)
            let stop = try step.run(
                scene.batch(communicator, shards: 1), step: 4, wantsToStop: communicator.rank == communicator.size - 1)
            #expect(stop.isAskedToStop)
        }
    }
}
