import Collectives
import Networks
import TestSupport
import Testing

@testable import Configuration
@testable import Files
@testable import Runs
@testable import Training

extension RankTests {
    @Suite("Values that are not finite")
    @MainActor
    struct NonFinite {
        let communicator = Ranks.communicator
        /// The rank that is at fault: the last one.
        var culprit: Int { communicator.size - 1 }

        /// A method of two updates a step, the gradient of the second being no number for one image, though its loss is.
        private struct Broken: TrainingMethod {
            let inputs = ["clean"]
            /// Whether this rank is at fault.
            let isCulprit: Bool

            func step(
                _ batch: TrainingBatch, routerBatch: TrainingBatch, _ context: StepContext
            ) throws -> [UpdateOutcome] {
                try [false, isCulprit].map { isBroken in
                    try context.update(batch) { batch in
                        let made = try context.crossEntropyPass(batch.images, of: batch)
                        if isBroken { made.dLogits[0].pointer[1] = .nan }
                        return [made]
                    }.outcome
                }
            }
        }

        private func scene(
            _ method: RunConfiguration.Training.Method, _ policy: NonFinitePolicy,
            _ change: (inout RunConfiguration) -> Void = { _ in }
        ) throws -> RankScene {
            var configuration = MixtureCase(kind: .conv, topK: 1, loss: .entropy).configuration
            configuration.training.method = method
            configuration.training.onNonFinite = policy
            configuration.training.globalBatch = 13
            configuration.training.weightAverage = 0.5
            configuration.attack.steps = 2
            configuration.distributed.batchNorm = .local
            change(&configuration)
            return try RankScene(configuration, images: 13)
        }

        /// All that a step may change, bit for bit.
        private func traces(_ scene: RankScene, _ step: TrainingStep) -> [[UInt32]] {
            let parameters = scene.network.parameters
            func bits(_ values: some Sequence<Float>) -> [UInt32] { values.map(\.bitPattern) }
            let kept = step.method.state + (step.average?.tensors(scene.network) ?? [])
            return [bits(parameters.values), bits(parameters.statistics), bits(step.momentum)]
                + kept.map { if case .float(let values) = $0.values { bits(values) } else { [] } }
        }

        private func run(_ step: TrainingStep, _ scene: RankScene, _ number: Int, shards: Int = 1) throws -> StepOutcome
        {
            try step.run(scene.batch(communicator, shards: shards), step: number, wantsToStop: false)
        }

        /// Takes a step that goes well, one that `spoil` makes fail, and one more; expects that the second left no trace and, on
        /// rank 0, that `words` are in what was found.
        private func expectSkipped(
            _ scene: RankScene, _ other: RankScene, shards: Int = 1, naming words: [String],
            spoil: (TrainingBatch) -> Void, mend: () -> Void
        ) throws {
            let step = scene.trainingStep(communicator, stepsPerEpoch: 10)
            #expect(try run(step, scene, 0, shards: shards).finding == nil)
            let before = traces(scene, step)
            let batch = scene.batch(communicator, shards: shards)
            if communicator.rank == culprit { spoil(batch) }
            let asks = communicator.rank == 0
            let outcome = try step.run(batch, step: 1, wantsToStop: asks)
            let finding = try #require(outcome.finding)
            #expect(outcome.updates.isEmpty && outcome.isAskedToStop)
            if communicator.isRoot {
                for word in ["step 1: ", "rank \(culprit) on "] + words {
                    #expect(finding.contains(word), "\(finding)")
                }
                let blamesOthers = (0..<culprit).contains { finding.contains("rank \($0) on") }
                #expect(!blamesOthers, "\(finding)")
            }
            if communicator.rank == culprit { mend() }
            let isAsBefore = traces(scene, step) == before
            #expect(isAsBefore)
            #expect(try run(step, scene, 2, shards: shards).finding == nil)
            // As if the step had never been.
            let untouched = other.trainingStep(communicator, stepsPerEpoch: 10)
            for number in [0, 2] { _ = try run(untouched, other, number, shards: shards) }
            let isSame = traces(scene, step) == traces(other, untouched)
            #expect(isSame)
            try ReplicaCheck.run(scene.network.parameters, communicator)
        }

        @Test(
            "A pixel on one rank: all ranks leave the step out, and name that rank",
            arguments: [RunConfiguration.Training.Method.standard, .pgd, .fast, .free, .trades, .mart])
        func pixel(_ method: RunConfiguration.Training.Method) throws {
            try expectSkipped(
                try scene(method, .skip), try scene(method, .skip),
                naming: ["is not finite. ", "the images themselves are not finite"],
                spoil: { $0.images[0].pointer[5] = .nan }, mend: {})
        }

        @Test("A pixel under an l2 attack, deterministic shards, and a batch in parts", arguments: [0, 1, 2])
        func pixelElsewhere(variant: Int) throws {
            func scene() throws -> RankScene {
                try self.scene(.pgd, .skip) { configuration in
                    switch variant {
                    case 0: configuration.attack.norm = .l2
                    case 1: configuration.distributed.deterministicShards = 2 * communicator.size
                    default:
                        configuration.training.microBatch = 2
                        configuration.moe.statistics = .local
                        configuration.moe.balance.loss = .given(.none)
                    }
                }
            }
            try expectSkipped(
                try scene(), try scene(), shards: variant == 1 ? 2 : 1,
                naming: ["the images themselves are not finite"],
                spoil: { $0.images[0].pointer[5] = .nan }, mend: {})
        }

        @Test(
            "A weight on one rank: the first layer that it spoils is named, routers too",
            arguments: [
                ("layer2.0.conv1.router.weight", "the router of layer layer2.0.conv1"),
                ("layer2.0.conv1.experts.", "layer layer2.0.conv1"), ("conv1.weight", "layer conv1"),
                ("fc.bias", "the classifier"),
            ], [Normalization.local, .synchronized])
        func weight(_ place: (slot: String, layer: String), normalization: Normalization) throws {
            func scene() throws -> RankScene {
                try self.scene(.pgd, .skip) { $0.distributed.batchNorm = normalization }
            }
            let broken = try scene()
            let parameters = broken.network.parameters
            let slots = parameters.slots.filter { $0.name.hasPrefix(place.slot) }
            #expect(!slots.isEmpty)
            var old: [Float] = []
            try expectSkipped(
                broken, try scene(), naming: ["\(place.layer) gave"],
                spoil: { _ in
                    old = Array(parameters.values)
                    parameters.update { for slot in slots { $0.values(of: slot).update(repeating: .nan) } }
                }, mend: { parameters.update { _ = $0.values.update(from: old) } })
        }

        @Test(
            "A gradient in a step's second update: the weights go back over both, and the last parameter it meets is named",
            arguments: [1, 2])
        func gradient(shards: Int) throws {
            let scene = try scene(.standard, .skip) {
                $0.distributed.deterministicShards = shards == 1 ? 0 : shards * communicator.size
            }
            let configuration = scene.configuration
            let step = TrainingStep(
                scene.network, configuration.trainingSettings(stepsPerEpoch: 10, ranks: communicator.size),
                method: Broken(isCulprit: communicator.rank == culprit), communicator: communicator,
                workspace: scene.workspace)
            let before = traces(scene, step)
            let outcome = try run(step, scene, 4, shards: shards)
            let finding = try #require(outcome.finding)
            if communicator.isRoot {
                for word in ["step 4: the norm of the gradient", "rank \(culprit) on ", "the gradient of fc.bias"] {
                    #expect(finding.contains(word), "\(finding)")
                }
                #expect(communicator.size == 1 || !finding.contains("rank 0 on"), "\(finding)")
            }
            let isAsBefore = traces(scene, step) == before
            #expect(isAsBefore)
        }

        @Test("A run that is to stop does, on all ranks, with 5")
        func stop() throws {
            let scene = try scene(.standard, .stop)
            let batch = scene.batch(communicator, shards: 1)
            if communicator.rank == culprit { batch.images[0].pointer[0] = .infinity }
            let error = #expect(throws: RunError.self) {
                _ = try scene.trainingStep(communicator, stepsPerEpoch: 10).run(batch, step: 0, wantsToStop: false)
            }
            #expect(ExitStatus(try #require(error)) == .numerical)
        }
    }
}
