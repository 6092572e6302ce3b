import Attacks
import Collectives
import Datasets
import NetworkAttacks
import Networks
import Tensors
import Testing

@testable import Configuration
@testable import Evaluation
@testable import Files

extension RankTests.Evaluations {
    /// A network that is a mixture, and its configuration.
    private func mixture(
        _ kind: ExpertKind, _ scope: RouterScope, _ router: RouterName = .gapLinear
    ) throws -> (Network, RunConfiguration) {
        var configuration = RunConfiguration()
        configuration.model.width = 8
        configuration.moe.kind = .given(kind)
        configuration.moe.scope = scope
        configuration.moe.experts = 2
        configuration.moe.balance.loss = .given(kind == .channel ? .none : .switchLoss)
        configuration.moe.noise = 1
        configuration.evaluation.chunk = 4
        if kind == .channel {
            configuration.model.ratio = 0.5
            configuration.moe.router = router
        }
        var settings = configuration.networkSettings(RankScene.traits)
        settings.blocks = kind == .channel ? [1, 1] : [1, 1, 1, 1]
        return (try Network(settings, seed: 5), configuration)
    }

    private func evaluate(
        _ network: Network, _ configuration: RunConfiguration, _ set: ImageSet, _ attacks: [EvaluatedAttack],
        _ communicator: any Communicator, keepsImages: Bool = false
    ) throws -> EvaluationResult? {
        var evaluator = Evaluator(
            PassFactory(
                network, workspace: Workspace(), filters: FilterCache(capacityMegabytes: 64),
                routing: configuration.routingRule),
            communicator, chunk: configuration.evaluation.chunk, seed: 3)
        evaluator.passes.antiAdversary = configuration.antiAdversary
        evaluator.keepsImages = keepsImages
        return try evaluator.run(set, Array(0..<set.count), attacks: attacks).result
    }

    /// The images with the network's own predictions for labels.
    private func allRight(_ network: Network, _ configuration: RunConfiguration) throws -> ImageSet {
        let clean = try #require(try evaluate(network, configuration, images, [], SoloCommunicator()))
        return ImageSet(
            name: .synthetic, split: .test, traits: RankScene.traits, images: Array(images.images),
            labels: clean.perSample.map { Int32($0.cleanPrediction) })
    }

    @Test(
        "The ladder for mixtures is their attacks' pointwise worst, on any number of ranks; held routes are no verdict of it",
        arguments: [
            (ExpertKind.conv, RouterScope.layer, RouterName.gapLinear), (.channel, .image, .resnet20),
            (.channel, .layer, .gapLinear), (.channel, .layer, .resnet20),
        ])
    func mixtureLadder(kind: ExpertKind, scope: RouterScope, router: RouterName) throws {
        let (network, configuration) = try mixture(kind, scope, router)
        let set = try allRight(network, configuration)
        var entry = RunConfiguration.Attack()
        entry.name = .mixture
        entry.steps = 2
        entry.epsilon = 0.02
        entry.stepSize = 0.01
        let ladder = try #require(entry.evaluatedAttack(of: network, noise: configuration.routingRule.noise))
        var held = entry
        held.name = .pgd
        held.id = "held"
        held.routing = .held
        held.epsilon = 0.3
        held.stepSize = 0.2
        let alone = try #require(held.evaluatedAttack)
        #expect(!alone.judgesNetwork && ladder.judgesNetwork)
        let attacks = [ladder, alone]
        let result = try #require(try evaluate(network, configuration, set, attacks, SoloCommunicator()))
        if let found = try evaluate(network, configuration, set, attacks, communicator) {
            #expect(try bytes(found) == bytes(result))
        }
        let stages = result.inputs[1].stages
        #expect(stages.map(\.name) == ladder.stages.map { "mixture-linf-0p02000-2/\($0.id)" })
        #expect(stages.contains { $0.attack.id == "noise" } == (configuration.routingRule.noise > 0))
        let judged = stages.filter { $0.attack.routing != .held }
        #expect(zip(judged, judged.dropFirst()).allSatisfy { $0.correct >= $1.correct })
        #expect(result.inputs[1].correct == judged.last?.correct)
        #expect(result.worstCaseCorrect == result.inputs[1].correct, "routes that are held are another network's")
        #expect(stages.last.map { $0.correct <= result.inputs[1].correct } == true)
        // Routes of the verdict are the clean ones.
        #expect(result.inputs[2].flips.allSatisfy { $0 == 0 })
        #expect(result.inputs[2].layers.map(\.sums.chosen) == result.inputs[0].layers.map(\.sums.chosen))
        let rows = result.rows(
            EvaluationSubject(
                checkpoint: "c", sha256: nil, dataset: "synthetic", split: "test", seed: 1, normalization: "none"))
        #expect(rows.map(\.attack) == ["none"] + stages.map(\.name) + [ladder.id, "held", "worst-case"])
        #expect(rows.filter { $0.flags?.contains("routes-held") == true }.map(\.routing) == ["held", "held"])
    }

    @Test("Images that are kept are those that were judged, and are judged the same when they are read")
    func keptImages() throws {
        let (network, configuration) = try mixture(.conv, .layer)
        let set = try allRight(network, configuration)
        var entry = RunConfiguration.Attack()
        entry.epsilon = 0.1
        entry.stepSize = 0.05
        entry.steps = 2
        let attack = try #require(entry.evaluatedAttack)
        let found = try evaluate(network, configuration, set, [attack], communicator, keepsImages: true)
        guard let found else { return }
        let kept = AttackedImages(
            indices: found.perSample.map(\.index), labels: found.perSample.map(\.label),
            shape: [8, 8, 3], bytes: try #require(found.images[0]))
        #expect(kept.indices == Array(0..<11) && kept.pixels.count == 11 * RankScene.traits.imageSize)
        var again = attack
        again.stages[0].search = StoredImages(
            ball: PerturbationBall(epsilon: 0.1), origin: "memory", images: kept.byIndex)
        let judged = try #require(try evaluate(network, configuration, set, [again], SoloCommunicator()))
        #expect(judged.perSample == found.perSample)
        #expect(judged.images == [nil])
    }

    @Test("Behind an anti-adversary layer clean predictions stay, and images made on the network alone fool more")
    func antiAdversary() throws {
        var (network, configuration) = try mixture(.conv, .layer)
        let set = try allRight(network, configuration)
        configuration.evaluation.antiAdversary.steps = 2
        var entry = RunConfiguration.Attack()
        entry.id = "a"
        entry.epsilon = 0.05
        entry.stepSize = 0.02
        entry.steps = 4
        configuration.evaluation.attacks = [entry]
        let attacks = configuration.evaluatedAttacks(of: network)
        let found = try evaluate(network, configuration, set, attacks, communicator)
        let expected = try #require(try evaluate(network, configuration, set, attacks, SoloCommunicator()))
        if let found { #expect(try bytes(found) == bytes(expected)) }
        #expect(expected.inputs.map(\.name) == ["clean", "a", "a-transfer"])
        #expect(expected.inputs[0].correct == 11)
        configuration.evaluation.antiAdversary.steps = 0
        let plain = try #require(
            try evaluate(network, configuration, set, [attacks[1]], SoloCommunicator()))
        // The same images, judged with and without the layer.
        #expect(plain.perSample.map { $0.outcomes[0].distance } == expected.perSample.map { $0.outcomes[1].distance })
        #expect(plain.perSample.map { $0.outcomes[0].loss } != expected.perSample.map { $0.outcomes[1].loss })
        #expect(expected.perSample.map { $0.outcomes[0].loss } != expected.perSample.map { $0.outcomes[1].loss })
    }
}
