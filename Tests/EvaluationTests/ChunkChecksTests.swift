import Attacks
import NetworkAttacks
import Networks
import Tensors
import TestSupport
import Testing

@testable import Configuration
@testable import Evaluation

@Suite("red flags of whole evaluations")
struct ChunkChecksTests {
    private let workspace = Workspace()
    private let count = 24

    /// A network whose last layer is multiplied by a factor: predictions stay, gradients of cross entropy vanish.
    private func network(scaledBy factor: Float) throws -> Network {
        let network = try TinyNetwork.make()
        HashedValues(salt: "checks").fill(network.parameters, gain: 1, routerGain: 1)
        network.parameters.update { writable in
            for slot in network.parameters.slots where slot.name.hasPrefix("fc.") {
                for index in 0..<slot.count { writable.values(of: slot)[index] *= factor }
            }
        }
        return network
    }

    /// The evaluation of images whose labels are what the network says of them.
    private func evaluation(_ network: Network) throws -> ChunkEvaluation {
        let passes = PassFactory(
            network, workspace: workspace, filters: FilterCache(capacityMegabytes: 1), arithmetic: .exact,
            routing: RoutingRule(seed: 1))
        let images = HashedValues(salt: "checks").images(workspace, count, channels: 2, height: 8, width: 8)
        let samples = Array(0..<count)
        let logits = try network.forward([images], passes.frozen(samples: [samples])).logits
        return ChunkEvaluation(
            passes: passes, images: images, labels: CrossEntropy.predictions(logits[0]), samples: samples, seed: 1)
    }

    private func attack(_ change: (inout RunConfiguration.Attack) -> Void = { _ in }) throws -> EvaluatedAttack {
        var attack = RunConfiguration.Attack()
        attack.epsilon = 64.0 / 255
        attack.stepSize = 16.0 / 255
        change(&attack)
        return EvaluatedAttack(try #require(attack.networkAttack))
    }

    private func result(
        _ network: Network, _ attacks: [EvaluatedAttack], trials: [RadiusTrial]? = nil
    ) throws -> EvaluationResult {
        let evaluation = try evaluation(network)
        var chunk = EvaluationChunk(
            chunk: 0, indices: evaluation.samples, labels: evaluation.labels.map(Int.init),
            outcomes: try evaluation.outcomes(attacks) { _ in })
        chunk.outputs = try evaluation.outputKinds()
        if let trials {
            chunk.trials = try trials.map(evaluation.outcome)
            chunk.instability = try evaluation.instability(chunk.outcomes[0])
        }
        return EvaluationResult(chunks: [chunk], attacks: attacks, network: network, classes: 3)
    }

    private let subject = EvaluationSubject(
        checkpoint: "c", sha256: nil, dataset: "d", split: "test", seed: 1, normalization: "none",
        training: (.linf, 64.0 / 255))

    @Test("A last layer times 3000 keeps every prediction, lifts robust accuracy, and is flagged")
    func zeroGradients() throws {
        let attacks = [
            try attack { $0.id = "pgd" },
            try attack {
                $0.id = "apgd"; $0.name = .apgdCE
            },
        ]
        let honest = try result(try network(scaledBy: 1), attacks)
        let masked = try result(try network(scaledBy: 3000), attacks)
        for (plain, scaled) in zip(honest.inputs, masked.inputs).dropFirst() {
            #expect(plain.correct < count / 2 && scaled.correct > plain.correct + count / 4, "\(plain.name)")
        }
        #expect(honest.inputs[0].correct == count && masked.inputs[0].correct == count)
        #expect(!honest.flags(subject).contains { $0.kind == .zeroGradients })
        for name in ["pgd", "apgd"] {
            let flag = try #require(masked.flags(subject).first { $0.kind == .zeroGradients && $0.inputs == name })
            let images = try #require(flag.count)
            #expect(images > count / 4)
            let row = try #require(masked.rows(subject).first { $0.attack == name })
            #expect(row.flags?.contains("zero-gradients=\(images)") == true)
            let told = "\(name): \(images) of \(masked.perSample.count) images have no slope"
            #expect(masked.warnings(subject).contains { $0.hasPrefix(told) })
        }
        let flagged = masked.perSample.count { $0.outcomes[0].flags.contains("zero-gradients") }
        #expect(flagged == masked.flags(subject).first { $0.kind == .zeroGradients }?.count)
    }

    @Test("Without a radius the attack flips every image of an honest network, and few of a masked one")
    func trials() throws {
        var settings = RunConfiguration.Attack()
        settings.id = "pgd"
        settings.epsilon = 64.0 / 255
        settings.stepSize = 16.0 / 255
        var configuration = RunConfiguration()
        configuration.evaluation.attacks = [settings]
        let trials = configuration.radiusTrials(elements: 2 * 8 * 8)
        #expect(trials.map(\.kind) == [.zero, .large, .unconstrained])
        #expect(trials.map(\.attack.description.epsilon) == [0, 1, 1])
        let attacks = [EvaluatedAttack(try #require(settings.networkAttack))]
        let honest = try result(try network(scaledBy: 1), attacks, trials: trials).flags(subject).map(\.kind)
        #expect(!honest.contains(.unconstrainedFailure) && !honest.contains(.zeroRadiusDiffers))
        let masked = try result(try network(scaledBy: 3000), attacks, trials: trials).flags(subject).map(\.kind)
        #expect(masked.contains(.unconstrainedFailure) && masked.contains(.largeRadiusSurvived))
        #expect(!masked.contains(.zeroRadiusDiffers))
    }

    @Test("A watch sees the images that an attack carries on, in their places, and changes nothing")
    func watch() throws {
        let evaluation = try evaluation(try network(scaledBy: 1))
        let attack = try #require(try attack().stages.first)
        let whole = AttackBatch(
            images: [evaluation.images], labels: [evaluation.labels], samples: [evaluation.samples], seed: 1)
        let watch = AttackWatch(whole)
        let watched = try attack.perturb(whole, evaluation.passes, watch: watch)
        let plain = try attack.perturb(whole, evaluation.passes)
        #expect(Array(watched[0].elements) == Array(plain[0].elements))
        #expect(watch.paths[0].allSatisfy { $0.losses.count == 10 && !$0.startsFlat && $0.hasMoved })
        let target = WatchedTarget(
            NetworkTarget(evaluation.passes.network, evaluation.passes.frozen(samples: [evaluation.samples])), watch,
            whole)
        let some = target.selecting([[5, 2]]).selecting([[1]])
        let objective = CrossEntropyObjective(labels: [[evaluation.labels[2]]])
        _ = try some.outputsAndInputGradient([whole.selecting([[2]]).images[0]], objective, draw: 0)
        #expect(watch.paths[0].map(\.losses.count) == (0..<count).map { $0 == 2 ? 11 : 10 })
    }

    @Test("Settings are compared with training's, and more steps with fewer, in the rows of a result")
    func rows() throws {
        let short = try attack {
            $0.id = "short"; $0.steps = 2
        }
        let wide = try attack {
            $0.id = "wide"; $0.epsilon = 0.5; $0.stepSize = 0.6
        }
        let result = try result(try network(scaledBy: 1), [short, wide])
        let words = Dictionary(
            result.rows(subject).map { ($0.attack, $0.flags ?? "") }, uniquingKeysWith: { first, _ in first })
        #expect(words["short"]?.contains("path-below-radius") == true)
        #expect(words["wide"]?.contains("step-above-radius") == true)
        #expect(words["wide"]?.contains("radius-not-of-training") == true)
        #expect(words["short"]?.contains("radius-not-of-training") == false && words["none"] == "")
    }

    @Test("What settings tell of all stages is so of the ladder, and said once")
    func ladder() throws {
        let stages = try [2, 3].map { steps in
            try attack {
                $0.id = "stage\(steps)"; $0.steps = steps; $0.stepSize = steps == 2 ? 1.0 / 255 : 64.0 / 255
            }.stages[0]
        }
        let result = try result(try network(scaledBy: 1), [EvaluatedAttack(id: "all", ladder: stages)])
        let other = EvaluationSubject(
            checkpoint: "c", sha256: nil, dataset: "d", split: "test", seed: 1, normalization: "none",
            training: (.linf, 8.0 / 255))
        let flags = Dictionary(
            result.rows(other).map { ($0.attack, $0.flags ?? "") }, uniquingKeysWith: { first, _ in first })
        for name in ["all", "all/stage2", "all/stage3"] {
            #expect(flags[name]?.contains("radius-not-of-training") == true, "\(flags)")
        }
        #expect(flags["all/stage2"]?.contains("path-below-radius") == true)
        #expect(flags["all"]?.contains("path-below-radius") == false)
        let lines = result.warnings(other).filter { $0.contains("radius") }
        #expect(lines.count == 2, "\(lines)")
        #expect(lines.contains { $0.hasPrefix("all: judged at a radius of 64/255, trained against 8/255") })
        #expect(lines.contains { $0.hasPrefix("all/stage2: 2 steps of 1/255 come to 2/255") })
    }
}
