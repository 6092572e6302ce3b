import Attacks
import Collectives
import Foundation
import NetworkAttacks
import Networks
import Tensors
import TestSupport
import Testing

@testable import Configuration
@testable import Datasets
@testable import Evaluation
@testable import Files
@testable import Runs
@testable import Training

extension RankTests {
    @Suite("Evaluation over ranks")
    @MainActor
    struct Evaluations {
        let communicator = Ranks.communicator

        /// Eleven images of the scene's shape.
        var images: ImageSet {
            let traits = RankScene.traits
            var stream = RandomStream(seed: 3, purpose: .synthetic)
            let bytes = (0..<11 * traits.imageSize).map { _ in UInt8(stream.integer(below: 256)) }
            return ImageSet(
                name: .synthetic, split: .test, traits: traits, images: bytes, labels: (0..<11).map { Int32($0 % 5) })
        }

        private var attacks: [EvaluatedAttack] {
            var pgd = RunConfiguration.Attack()
            pgd.steps = 3
            pgd.restarts = 2
            var fgsm = RunConfiguration.Attack()
            fgsm.name = .fgsm
            fgsm.epsilon = 0.1
            var automatic = RunConfiguration.Attack()
            automatic.name = .apgdCE
            automatic.steps = 4
            var euclidean = pgd
            euclidean.norm = .l2
            euclidean.epsilon = 0.5
            euclidean.stepSize = 0.2
            euclidean.routing = .clean
            var noise = RunConfiguration.Attack()
            noise.name = .gaussianNoise
            noise.epsilon = 0.05
            return [pgd, fgsm, automatic, euclidean, noise].compactMap(\.evaluatedAttack)
        }

        func evaluator(_ scene: RankScene, _ communicator: any Communicator) -> Evaluator {
            let configuration = scene.configuration
            return Evaluator(
                PassFactory(
                    scene.network, workspace: scene.workspace, filters: FilterCache(capacityMegabytes: 64),
                    arithmetic: configuration.kernels.arithmetic, normalization: configuration.distributed.batchNorm,
                    routing: configuration.routingRule),
                communicator, chunk: configuration.evaluation.chunk, seed: configuration.training.seed)
        }

        private func evaluate(
            _ scene: RankScene, _ indices: [Int], _ communicator: any Communicator
        ) throws -> EvaluationResult? {
            return try evaluator(scene, communicator).run(images, indices, attacks: attacks).result
        }

        /// Everything that a result says but seconds, without rounding.
        func bytes(_ result: EvaluationResult) throws -> Data {
            struct Inputs: Encodable {
                let name: String
                let numbers: [Int]
                let losses: [UInt64]
                let layers: [ExpertUsage]
            }
            struct Sample: Encodable {
                let numbers: [Int]
                let reals: [UInt64]
            }
            struct Whole: Encodable {
                let inputs: [Inputs]
                let samples: [Sample]
                let numbers: [Int]
            }
            let inputs = result.inputs.map {
                Inputs(
                    name: $0.name,
                    numbers: [$0.samples, $0.correct] + $0.flips + $0.expertClasses.joined().joined()
                        + $0.scores.flatMap { $0.counts.joined() } + $0.confusion.predicted
                        + $0.stages.flatMap { [$0.attacked, $0.moved, $0.correct] },
                    losses: [$0.taskLoss.bitPattern, $0.balanceLoss.bitPattern], layers: $0.layers)
            }
            let samples = result.perSample.map { row in
                Sample(
                    numbers: [row.index, row.label, row.cleanPrediction] + row.outcomes.map(\.prediction),
                    reals: [row.cleanLoss.bitPattern]
                        + row.outcomes.flatMap { [$0.loss.bitPattern, $0.distance.bitPattern] })
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            return try encoder.encode(
                Whole(inputs: inputs, samples: samples, numbers: [result.samples, result.worstCaseCorrect]))
        }

        @Test(
            "The result has the same bytes on any number of ranks",
            arguments: MixtureCase.all.filter { $0.loss == .entropy }, [1, 3, 64])
        func sameBytes(mixture: MixtureCase, chunk: Int) throws {
            var configuration = mixture.configuration
            configuration.evaluation.chunk = chunk
            let scene = try RankScene(configuration, images: 8)
            let indices = [0, 1, 2, 4, 5, 6, 7, 9, 10]
            let found = try evaluate(scene, indices, communicator)
            #expect((found != nil) == communicator.isRoot)
            let expected = try #require(try evaluate(scene, indices, SoloCommunicator()))
            #expect(expected.perSample.map(\.index) == indices)
            guard let found else { return }
            #expect(try bytes(found) == bytes(expected))
            // Every image is counted once in every layer, and attacked images are others than clean ones.
            for input in found.inputs {
                #expect(input.samples == 9 && input.layers.count == scene.network.mixtureLayers.count)
                #expect(input.layers.allSatisfy { $0.sums.chosen.reduce(0, +) == Double(9 * mixture.topK) })
            }
            #expect(
                found.inputs.map(\.name) == [
                    "clean", "pgd-linf-8of255-3", "fgsm-linf-0p10000", "apgd-ce-linf-8of255-4", "pgd-l2-0p50000-3",
                    "gaussian-noise-0p05000",
                ])
            #expect(found.inputs[1].taskLoss > found.inputs[0].taskLoss)
            // APGD leaves images alone that are wrong when clean.
            for row in found.perSample {
                let moved = row.outcomes.map { $0.distance > 0 }
                #expect(moved == [true, true, row.cleanPrediction == row.label, true, true])
            }
        }

        @Test(
            "The variance of experts' outputs is that of the whole split, whatever the chunk, and of outputs before the batch norm"
        )
        func variance() throws {
            for kind in [ExpertKind.conv, .block] {
                var losses: [Double] = []
                for chunk in [2, 64] {
                    var configuration = MixtureCase(kind: kind, topK: 1, loss: .entropy).configuration
                    configuration.moe.balance.weight = 0
                    configuration.moe.varianceWeight = 0.25
                    configuration.evaluation.chunk = chunk
                    let scene = try RankScene(configuration, images: 8)
                    let found = try evaluator(scene, communicator).run(images, Array(0..<9), attacks: []).result
                    guard let found else { continue }
                    losses.append(found.inputs[0].balanceLoss)
                    let batch = images.chunk(Array(0..<9)[...], workspace: scene.workspace)
                    let record = PassRecord()
                    var pass = evaluator(scene, communicator).passes.frozen(samples: [batch.indices], record: record)
                    pass.folds = false
                    _ = try scene.network.forward([batch.images], pass)
                    let (_, settled) = try record.settle(extra: [[]], SoloStatistics(), scene.network.parameters)
                    let expected = settled.routers.reduce(0) { $0 + $1.balanceLoss }
                    #expect(abs(found.inputs[0].balanceLoss - expected) < 1e-6, "\(kind), chunks of \(chunk)")
                    #expect(expected > 0.01)
                }
                if losses.count == 2 { #expect(abs(losses[0] - losses[1]) < 1e-6) }
            }
        }

        @Test("Attacks on the one router are left out where it is bypassed, its row of the gate is not")
        func fixedRouter() throws {
            var configuration = RunConfiguration()
            configuration.model.width = 8
            configuration.model.ratio = 0.5
            configuration.moe.kind = .given(.channel)
            configuration.moe.scope = .image
            configuration.moe.router = .resnet20
            configuration.moe.experts = 2
            let network = try Network(configuration.networkSettings(RankScene.traits), seed: 5)
            let passes = PassFactory(
                network, workspace: Workspace(), filters: FilterCache(capacityMegabytes: 64),
                routing: configuration.routingRule)
            let evaluator = Evaluator(passes, communicator, chunk: 2, seed: 1)
            var onRouter = RunConfiguration.Attack()
            onRouter.id = "on-router"
            onRouter.steps = 1
            onRouter.objective = .given(.routerLabels)
            let both = try [attacks[1], #require(onRouter.evaluatedAttack)]
            let gated = try evaluator.run(images, [0, 1, 2], attacks: both).result
            var lines: [String] = []
            let isWhole = try FixedExperts(evaluator: evaluator, layers: ["router"], attacks: both, suffix: "")
                .run(images, [0, 1, 2], gated: gated) { _, expert, input, reference in
                    #expect(input.name == reference.name)
                    lines.append("\(expert ?? -1) \(input.name)")
                }
            #expect(isWhole)
            guard communicator.isRoot else { return }
            let fgsm = "fgsm-linf-0p10000"
            #expect(
                lines == [
                    "0 clean", "0 \(fgsm)", "1 clean", "1 \(fgsm)", "-1 clean", "-1 \(fgsm)", "-1 on-router",
                ])
        }

        @Test("Fewer chunks than ranks leave ranks without work")
        func fewChunks() throws {
            let scene = try RankScene(MixtureCase.all[0].configuration, images: 8)
            let found = try evaluate(scene, [3], communicator)
            let expected = try #require(try evaluate(scene, [3], SoloCommunicator()))
            if let found { #expect(try bytes(found) == bytes(expected)) }
        }

        @Test("Fixed experts have the same bytes on any number of ranks, and every image goes to the one that is fixed")
        func fixedExperts() throws {
            let scene = try RankScene(
                MixtureCase.all.filter { $0.topK == 2 && $0.kind == .conv }[0].configuration, images: 8)
            let indices = [0, 1, 2, 4, 5, 6, 7, 9, 10]
            func run(_ communicator: any Communicator) throws -> [String] {
                let evaluator = evaluator(scene, communicator)
                let layers = try scene.network.mixtureLayers(named: ["layer2.0.conv2"])
                let gated = try evaluator.run(images, indices, attacks: [attacks[0]]).result
                var lines: [String] = []
                let isWhole = try FixedExperts(
                    evaluator: evaluator, layers: layers, attacks: [attacks[0]], suffix: ""
                )
                .run(images, indices, gated: gated) { layer, expert, input, reference in
                    #expect(layer == "layer2.0.conv2" && input.name == reference.name)
                    if let expert {
                        let expected = (0..<4).map { $0 == expert ? 9.0 : 0 }
                        let own = input.layers.first { $0.layer == layer }
                        #expect(own?.sums.chosen == expected)
                        #expect(input.layers[0].sums.chosen.reduce(0, +) == 18, "other layers keep their routers")
                    }
                    lines.append("\(expert ?? -1) \(input.name) \(input.correct) \(input.taskLoss.bitPattern)")
                }
                #expect(isWhole)
                return lines
            }
            let (found, expected) = (try run(communicator), try run(SoloCommunicator()))
            #expect(expected.count == 10 && Set(expected).count == 10)
            if communicator.isRoot { #expect(found == expected) } else { #expect(found.isEmpty) }
            #expect { _ = try scene.network.mixtureLayers(named: ["layer2.0.conv3"]) } throws: {
                "\($0)".contains("layer2.0.conv3") && "\($0)".contains("did you mean layer2.0.conv")
                    && ExitStatus($0) == .usage
            }
        }
    }
}
