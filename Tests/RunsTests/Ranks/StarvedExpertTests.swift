import Collectives
import Networks
import TestSupport
import Testing

@testable import Configuration
@testable import Training

extension RankTests {
    /// The mixture has four experts in every test, and the batch seven images.
    @Suite("Experts without images")
    @MainActor
    struct StarvedExperts {
        let communicator = Ranks.communicator

        /// Which expert each image goes to (image index modulo the experts).
        nonisolated enum Shares: CaseIterable, Sendable {
            /// Expert 0 gets only images of the first rank, which sends none to the others.
            case starvedOnOneRank
            /// Expert 3 gets no image of any rank.
            case starvedOnAll
            /// Expert 2 gets all images.
            case oneForAll

            func samples(_ size: Int) -> [Int] {
                let first = 7 / size
                return (0..<7).map { position in
                    switch self {
                    case .starvedOnOneRank: position < first ? 4 * position : 4 * position + 1 + position % 3
                    case .starvedOnAll: 4 * position + position % 3
                    case .oneForAll: 4 * position + 2
                    }
                }
            }

            /// Experts that get an image, where each image goes to one and the job has `size` ranks.
            func busy(_ size: Int) -> Set<Int> { Set(samples(size).map { $0 % 4 }) }
        }

        private func configuration(_ mixture: MixtureCase) -> RunConfiguration {
            var result = mixture.configuration
            result.moe.routes = .uniform
            result.kernels.arithmetic = .exact
            return result
        }

        @Test(
            "Gradients are those of the whole batch",
            arguments: MixtureCase.all.filter { $0.loss == .entropy }, Shares.allCases)
        func gradients(mixture: MixtureCase, shares: Shares) throws {
            let scene = try RankScene(
                configuration(mixture), images: 7, isSteady: true, samples: shares.samples(communicator.size))
            for normalization in [Normalization.synchronized, .running] {
                let reference = try scene.reference(normalization)
                for shards in [1, 3] {
                    let found = try scene.overRanks(communicator, shards: shards, normalization)
                    expectAgreement(found.difference(from: reference, scene.network.parameters, tolerance: 1e-5))
                }
            }
        }

        @Test("Routers that send all images to one expert are balanced as on one rank", arguments: MixtureCase.all)
        func collapsed(mixture: MixtureCase) throws {
            var configuration = mixture.configuration
            configuration.kernels.arithmetic = .exact
            let scene = try RankScene(configuration, images: 7, isSteady: true)
            let parameters = scene.network.parameters
            for slot in parameters.slots where slot.group == .router {
                parameters.update {
                    let values = $0.values(of: slot)
                    for index in values.indices { values[index] *= 0.01 }
                    if slot.name.hasSuffix("bias") { values[2] = 5 }
                }
            }
            for normalization in [Normalization.synchronized, .running] {
                let reference = try scene.reference(normalization)
                #expect(reference.chosen.allSatisfy { $0[2] == 7 })
                let found = try scene.overRanks(communicator, shards: 1, normalization)
                expectAgreement(found.difference(from: reference, parameters, tolerance: 1e-5))
            }
        }

        @Test(
            "A step moves the experts with an image on any rank, and leaves the others as they are",
            arguments: MixtureCase.all.filter { $0.loss == .entropy && $0.topK == 1 }, Shares.allCases)
        func step(mixture: MixtureCase, shares: Shares) throws {
            var configuration = configuration(mixture)
            configuration.training.optimizer.weightDecay = 0.1
            let scene = try RankScene(configuration, images: 7, samples: shares.samples(communicator.size))
            let parameters = scene.network.parameters
            let step = scene.trainingStep(communicator, stepsPerEpoch: 10)
            step.momentum.update(repeating: 0.5)
            let slots = parameters.slots
            func values(_ slot: Slot) -> [Float] {
                Array(parameters.values(of: slot))
                    + (slot.isStatistic ? [] : Array(step.momentum[slot.range]))
            }
            let before = slots.map(values)
            _ = try step.run(scene.batch(communicator, shards: 1), step: 0, wantsToStop: false)
            let busy = shares.busy(communicator.size)
            for (slot, old) in zip(slots, before) {
                guard let owner = slot.owner else { continue }
                let changed = values(slot) != old
                #expect(changed == busy.contains(owner.expert), "\(slot.name)")
            }
            try ReplicaCheck.run(parameters, communicator)
        }
    }
}

extension RankScene {
    /// A rank's part of images `range`, or of all, as training steps get it.
    func batch(_ communicator: any Communicator, shards: Int, _ range: Range<Int>? = nil) -> TrainingBatch {
        let whole = range ?? 0..<count
        let parts = communicator.size * shards
        let ranges = (communicator.rank * shards..<(communicator.rank + 1) * shards).map { number in
            whole.lowerBound + number * whole.count / parts..<whole.lowerBound + (number + 1) * whole.count / parts
        }
        return TrainingBatch(
            images: ranges.map(part), labels: ranges.map { Array(labels[$0]) },
            samples: ranges.map { Array(samples[$0]) }, globalSize: whole.count)
    }

    /// What takes the steps of the scene's configuration on its network.
    func trainingStep(_ communicator: any Communicator, stepsPerEpoch: Int) -> TrainingStep {
        TrainingStep(
            network, configuration.trainingSettings(stepsPerEpoch: stepsPerEpoch, ranks: communicator.size),
            method: configuration.trainingMethod(RankScene.traits, communicator), communicator: communicator,
            workspace: workspace)
    }
}

extension TrainingStep {
    /// The momentum of every parameter.
    var momentum: UnsafeMutableBufferPointer<Float> { optimizer.state[0].arena }
}
