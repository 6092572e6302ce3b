import Attacks
import NetworkAttacks
import Networks
import TestSupport
import Testing

@testable import Configuration

@Suite("Rules on attacks")
struct AttackRulesTests {
    /// What is wrong with overrides for a use.
    private func problems(_ use: RunConfiguration.Use, _ overrides: [String]) -> [String] {
        do {
            _ = try RunConfiguration.resolveWithWarnings(
                layers: overrides.map { ConfigurationLayer(override: $0) }, for: use)
            return []
        } catch { return error.description.split(separator: "\n").map(String.init) }
    }

    @Test(
        "What is made for mixtures needs one with routers",
        arguments: [
            ("name: mixture", "name: found mixture"), ("surrogate: weakest-expert", "surrogate: found weakest-expert"),
            ("surrogate: 1", "surrogate: found 1"), ("routing: held", "routing: found held"),
        ])
    func mixtures(_ entry: String, _ found: String) {
        let attacks = "evaluation.attacks=[{\(entry)}]"
        for use in [RunConfiguration.Use.training, .evaluation] {
            #expect(problems(use, [attacks, "moe.kind=conv"]) == [])
            for (network, setting) in [
                (["moe.kind=none"], "moe.kind is none"),
                (["moe.kind=conv", "moe.routes=uniform"], "moe.routes is uniform"),
                (["moe.kind=channel", "moe.experts=1"], "moe.experts is 1"),
            ] {
                let lines = problems(use, [attacks] + network)
                #expect(lines.contains { $0.contains(found) && $0.contains("where \(setting)") }, "\(lines)")
            }
        }
    }

    @Test(
        "What an attack cannot be made with is refused",
        arguments: [
            ("{name: mixture, objective: router-labels}", "objective"), ("{name: mixture, routing: clean}", "routing"),
            ("{surrogate: 4}", "surrogate"), ("{surrogate: weakest-expert, routing: clean}", "surrogate"),
            ("{surrogate: weakest-expert, routing: noisy}", "surrogate"), ("{name: transfer}", "source"),
            ("{name: file}", "file"), ("{name: universal, objective: kl}", "objective"),
            ("{name: universal, step_size: 0}", "step_size"), ("{name: universal, train_samples: 0}", "train_samples"),
        ])
    func impossible(_ attack: String, _ key: String) {
        let network = ["moe.kind=conv", "moe.balance.loss=switch", "moe.noise=1"]
        let lines = problems(.evaluation, network + ["evaluation.attacks=[\(attack)]"])
        #expect(lines.count == 1 && lines[0].contains("evaluation.attacks.0.\(key): "), "\(lines)")
    }

    @Test("Training makes no attack that needs more than its network")
    func training() {
        for (settings, key) in [
            (["attack.name=mixture", "moe.kind=conv"], "attack.name"),
            (["attack.name=transfer", "attack.source=run"], "attack.name"),
            (["attack.surrogate=no-gate-gradient", "moe.kind=conv"], "attack.surrogate"),
            (["attack.routing=held", "moe.kind=conv"], "attack.routing"),
            (["evaluation.attacks=[{name: file, file: images}]"], "evaluation.attacks.0.name"),
            (["evaluation.attacks=[{name: universal}]"], "evaluation.attacks.0.name"),
            (["attack.name=universal"], "attack.name"),
            (["evaluation.anti_adversary.steps=2"], "evaluation.anti_adversary.steps"),
        ] {
            let lines = problems(.training, ["training.method=pgd"] + settings)
            #expect(lines.count == 1 && lines[0].contains("\(key): found"), "\(lines)")
        }
        #expect(problems(.evaluation, ["attack.name=transfer", "attack.source=run"]) == [])
    }

    @Test("A mixture's attack is a ladder of the network's pathways, with every number of steps and every radius")
    func ladder() throws {
        let configuration = try RunConfiguration.resolve(
            layers: [
                ConfigurationLayer(override: "evaluation.attacks=[{name: mixture}, {name: file, file: made}]"),
                ConfigurationLayer(override: "evaluation.steps=[3, 5]"), ConfigurationLayer(override: "moe.kind=conv"),
            ])
        let attacks = try configuration.evaluatedAttacks(of: TinyNetwork.make())
        #expect(attacks.map(\.id) == ["mixture-linf-8of255-3", "mixture-linf-8of255-5", "file-linf-8of255"])
        #expect(attacks.map(\.isLadder) == [true, true, false])
        #expect(attacks[1].stages.count { $0.surrogate.fixesRoutes && $0.surrogate != .weakestPathway } == 8)
        #expect(attacks[1].stages.allSatisfy { ($0.search as? ProjectedGradientDescent)?.steps == 5 })
        #expect((attacks[2].stages[0].search as? StoredImages)?.origin == "made")
    }

    @Test("Beside every attack through the anti-adversary layer stands one on the network alone")
    func antiAdversary() throws {
        let configuration = try RunConfiguration.resolve(
            layers: [
                ConfigurationLayer(override: "evaluation.anti_adversary.steps=2"),
                ConfigurationLayer(override: "evaluation.attacks=[{id: a}]"),
            ])
        #expect(configuration.antiAdversary == AntiAdversary(steps: 2, stepSize: 0.15))
        let attacks = try configuration.evaluatedAttacks(of: TinyNetwork.make())
        #expect(attacks.map(\.id) == ["a", "a-transfer"] && attacks.map { $0.stages[0].id } == ["a", "a-transfer"])
        #expect(attacks.map { $0.stages[0].seesAntiAdversary } == [true, false])
        #expect(RunConfiguration().antiAdversary == nil)
    }
}
