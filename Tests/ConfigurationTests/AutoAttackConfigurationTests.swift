import Datasets
import Files
import Testing

@testable import Attacks
@testable import Configuration

@Suite("AutoAttack and its parts in configurations")
struct AutoAttackConfigurationTests {
    private func resolve(_ settings: String...) throws -> RunConfiguration {
        try RunConfiguration.resolve(layers: settings.map { ConfigurationLayer(override: $0) })
    }

    private func attack(_ yaml: String) throws -> RunConfiguration.Attack { try resolve("attack=\(yaml)").attack }

    @Test(
        "each version is its stages in their order, with the numbers of the public code",
        arguments: [
            ("standard", ["apgd-ce", "apgd-t", "fab-t", "square"], [1, 1, 1, 1]),
            ("rand", ["apgd-ce", "apgd-dlr"], [1, 1]),
            ("plus", ["apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"], [5, 5, 5, 1, 1, 1]),
        ])
    func versions(_ version: String, _ ids: [String], _ restarts: [Int]) throws {
        let attack = try attack("{name: autoattack, version: \(version), epsilon: 4/255, targets: 7, queries: 30}")
        let stages = try #require(attack.autoAttackStages)
        #expect(attack.networkAttack == nil && attack.resolvedSteps == nil)
        #expect(stages.map(\.id) == ids && stages.map(\.description.restarts) == restarts)
        let ball = PerturbationBall(epsilon: 4 / 255)
        for (stage, restarts) in zip(stages, restarts) {
            switch stage.id {
            case "square": #expect(stage.search as? SquareAttack == SquareAttack(ball: ball, queries: 30))
            case "fab":
                let expected = FastAdaptiveBoundary(ball: ball, steps: 100, restarts: 5, targets: nil)
                #expect(stage.search as? FastAdaptiveBoundary == expected)
            case "fab-t":
                #expect(
                    stage.search as? FastAdaptiveBoundary == FastAdaptiveBoundary(ball: ball, steps: 100, targets: 7))
            default:
                let expected = AutoProjectedGradientDescent(
                    ball: ball, steps: 100, restarts: restarts, goal: stage.id == "apgd-t" ? .targets(7) : .given)
                #expect(stage.search as? AutoProjectedGradientDescent == expected, "\(stage.id)")
                #expect(stage.expectation == 1)
                #expect(stage.objective == (stage.id == "apgd-ce" ? .crossEntropy : .dlr))
            }
            #expect(stage.description.steps == (stage.id == "square" ? 30 : 100))
        }
        let noisy = try self.attack("{name: autoattack, version: \(version), routing: noisy}").autoAttackStages ?? []
        #expect(noisy.map(\.expectation) == ids.map { _ in version == "rand" ? 20 : 1 })
    }

    @Test(
        "names in files",
        arguments: [
            ("{name: autoattack}", "autoattack-linf-8of255"),
            ("{name: autoattack, version: rand, norm: l2, epsilon: 0.5}", "autoattack-l2-0p50000-rand"),
            ("{name: apgd-t, steps: 20}", "apgd-t-linf-8of255-20"), ("{name: square}", "square-linf-8of255-5000"),
            ("{name: fab-t, norm: l2, epsilon: 1}", "fab-t-l2-255of255-10"),
            ("{name: apgd-dlr}", "apgd-dlr-linf-8of255-10"),
        ])
    func ids(_ yaml: String, _ id: String) throws {
        let found = try attack(yaml)
        #expect(found.resolvedId == id)
        #expect(found.name == .autoattack || found.networkAttack?.id == id)
    }

    @Test("keys reach the searches")
    func keys() throws {
        let ball = PerturbationBall(.l2, epsilon: 0.5)
        let common = "norm: l2, epsilon: 0.5"
        let targeted = try attack("{name: apgd-t, \(common), steps: 7, restarts: 2, targets: 3, start: none}")
        #expect(
            targeted.networkAttack?.search as? AutoProjectedGradientDescent
                == AutoProjectedGradientDescent(
                    ball: ball, steps: 7, restarts: 2, start: .none, goal: .targets(3)))
        #expect(targeted.networkAttack?.description.isRandom == false)
        let boundary = try attack("{name: fab-t, \(common), steps: 7, restarts: 2, targets: 3}")
        #expect(
            boundary.networkAttack?.search as? FastAdaptiveBoundary
                == FastAdaptiveBoundary(ball: ball, steps: 7, restarts: 2, targets: 3))
        let ratio = try attack("{name: apgd-dlr, \(common)}")
        #expect(ratio.networkAttack?.objective == .dlr)
    }

    @Test("in training APGD keeps the highest loss, in evaluations what fools the network")
    func uses() throws {
        let run = try resolve("training.method=pgd", "attack={name: apgd-ce, steps: 3}")
        let ofTraining = try #require(run.trainingAttack?.networkAttack(for: .training))
        #expect((ofTraining.search as? AutoProjectedGradientDescent)?.keep == .highestLoss)
        let evaluated = try #require(run.resolvedEvaluationAttacks.first?.evaluatedAttack?.stages.first)
        #expect((evaluated.search as? AutoProjectedGradientDescent)?.keep == .adversarial)
        let settings = run.trainingSettings(stepsPerEpoch: 1, ranks: 1)
        #expect((settings.attack?.search as? AutoProjectedGradientDescent)?.keep == .highestLoss)
    }

    @Test(
        "attacks that go on with images still right train nothing",
        arguments: ["apgd-t", "fab-t", "square", "autoattack"])
    func training(_ name: String) throws {
        #expect {
            try RunConfiguration.resolveWithWarnings(
                layers: ["training.method=pgd", "attack.name=\(name)"].map { ConfigurationLayer(override: $0) },
                for: .training)
        } throws: { error in
            "\(error)".contains(
                "attack.name: found \(name); allowed: pgd, fgsm, apgd-ce, apgd-dlr, gaussian-noise, none in")
        }
        let evaluated = try resolve("training.method=pgd", "evaluation.attacks=[{name: \(name)}]")
        #expect(
            evaluated.resolvedEvaluationAttacks.map(\.evaluatedAttack?.id)
                == evaluated.resolvedEvaluationAttacks.map(\.resolvedId))
    }

    @Test(
        "data with too few classes are refused before anything is made",
        arguments: [
            ("{name: apgd-dlr}", 3), ("{objective: dlr}", 3), ("{name: apgd-t}", 10), ("{name: apgd-t, targets: 1}", 4),
            ("{name: fab-t, targets: 4}", 5), ("{name: autoattack}", 10), ("{name: square}", 1), ("{}", 1),
        ])
    func classes(_ yaml: String, _ fewest: Int) throws {
        let run = try resolve("evaluation.attacks=[{name: fgsm}, \(yaml)]")
        try run.requireAttacks(on: traits(classes: fewest))
        guard fewest > 1 else { return }
        #expect {
            try run.requireAttacks(on: traits(classes: fewest - 1))
        } throws: { error in
            "\(error)".contains("at least \(fewest) classes, the data have \(fewest - 1)")
                && (error as? RunError)?.exitStatus == .usage
        }
    }

    /// Of images that are at most 12 apart.
    private func traits(classes: Int) -> DatasetTraits {
        DatasetTraits(
            classNames: (0..<classes).map { "\($0)" }, height: 8, width: 6, channels: 3, mean: [0, 0, 0],
            standardDeviation: [1, 1, 1], augmentations: [])
    }

    @Test("an l2 radius beyond all images is refused, with the attack's name and stage")
    func longRadius() throws {
        try resolve("evaluation.attacks=[{norm: l2, epsilon: 12}, {name: gaussian-noise, norm: l2, epsilon: 128}]")
            .requireAttacks(on: traits(classes: 10))
        #expect {
            try resolve("evaluation.attacks=[{name: autoattack, norm: l2, epsilon: 128}]")
                .requireAttacks(on: traits(classes: 10))
        } throws: { error in
            "\(error)".contains("attack autoattack-l2-32640of255/apgd-ce: an l2 radius of 128 goes beyond all images")
                && "\(error)".contains("128/255?")
        }
    }

    @Test("a radius that seems to count levels is refused with what was probably meant")
    func radius() throws {
        #expect {
            try resolve("evaluation.attacks=[{name: autoattack, epsilon: 8}]")
        } throws: { error in
            "\(error)".contains("8/255")
        }
    }
}
