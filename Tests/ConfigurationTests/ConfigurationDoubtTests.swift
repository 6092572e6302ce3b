import Testing

@testable import Configuration

@Suite("What has no effect, or was probably not meant")
struct ConfigurationDoubtTests {
    private func warnings(_ yaml: String) throws -> [String] {
        try RunConfiguration.resolveWithWarnings(
            layers: [ConfigurationLayer(yaml: yaml, origin: "run.yaml")], for: .training
        ).warnings
    }

    private func problems(_ yaml: String) -> String {
        do {
            _ = try warnings(yaml)
            return ""
        } catch { return "\(error)" }
    }

    @Test(
        "A search cannot start where its objective has no slope, whoever sets the objective",
        arguments: [
            ("attack: {name: pgd, objective: kl, start: none}\ntraining: {method: trades}", "attack.start"),
            ("attack: {random_start: false}\ntraining: {method: trades}", "attack.start"),
            ("attack: {random_start: false}\ntraining: {method: advmoe}\nmoe: {kind: channel}", "attack.start"),
            ("evaluation: {attacks: [{name: pgd, objective: kl, start: none}]}", "evaluation.attacks.0.start"),
            ("evaluation: {attacks: [{name: fgsm, objective: kl, start: none}]}", "evaluation.attacks.0.start"),
            ("evaluation: {attacks: [{name: apgd-ce, objective: kl, start: none}]}", "evaluation.attacks.0.start"),
        ])
    func noSlope(_ yaml: String, _ key: String) {
        #expect(problems(yaml).contains("\(key): found none; allowed: auto, uniform"), "\(problems(yaml))")
        #expect(problems(yaml).contains("no slope at the clean images"))
    }

    @Test("A start that is not chosen is a random one for divergences, and the image itself for a single gradient step")
    func automaticStart() {
        var attack = RunConfiguration.Attack()
        attack.name = .fgsm
        #expect(attack.resolvedStart == .none)
        attack.objective = .given(.divergence)
        #expect(attack.resolvedStart == .gaussian)
        attack.objective = .given(.routerDivergence)
        #expect(attack.resolvedStart == .uniform)
        attack.name = .pgd
        attack.objective = .given(.crossEntropy)
        #expect(attack.resolvedStart == .uniform)
    }

    @Test(
        "Keys that mean nothing beside others are named, unless they have their defaults",
        arguments: [
            ("moe: {experts: 8}", "run.yaml:1: moe.experts has no effect, it belongs to a moe.kind other than none"),
            ("moe: {balance: {weight: 1}}", "run.yaml:1: moe.balance.weight has no effect"),
            (
                "moe: {kind: conv, noise: 0.1}",
                "run.yaml:1: moe.noise has no effect, it belongs to a moe.balance.loss other than entropy"
            ),
            ("moe: {kind: block, include_downsample: false}", "run.yaml:1: moe.include_downsample has no effect"),
            (
                "evaluation: {attacks: [{name: none, steps: 20}]}",
                "run.yaml:1: evaluation.attacks.0.steps has no effect, it belongs to name: pgd, apgd-ce"
            ),
            ("attack: {name: gaussian-noise, objective: margin}", "run.yaml:1: attack.objective has no effect"),
            ("attack: {name: apgd-dlr, objective: margin}", "run.yaml:1: attack.objective has no effect"),
            ("attack: {name: autoattack, steps: 20}", "run.yaml:1: attack.steps has no effect"),
            ("attack: {name: apgd-ce, step_size: 1/255}", "run.yaml:1: attack.step_size has no effect"),
            (
                "data: {extra_share: 0.2}",
                "run.yaml:1: data.extra_share has no effect, it belongs to data.extra other than null"
            ),
            ("training: {schedule: {power: 2}}", "run.yaml:1: training.schedule.power has no effect"),
            (
                "training: {epochs: 10, schedule: {name: step, milestones: [5, 10]}}",
                "training.schedule.milestones: 10 is never reached, the run ends after 10 epochs"
            ),
            ("training: {epochs: 5, schedule: {warmup_epochs: 5}}", "training.schedule.warmup_epochs: the rate rises"),
            (
                "attack: {epsilon: 1/255, step_size: 3/255}",
                "attack.step_size: 3/255 is more than twice attack.epsilon, 1/255"
            ),
            (
                "evaluation: {attacks: [{restarts: 3, start: none}]}",
                "evaluation.attacks.0.restarts: all 3 begin at the clean images"
            ),
        ])
    func doubts(_ yaml: String, _ start: String) throws {
        let found = try warnings(yaml)
        #expect(found.count == 1 && found.first?.hasPrefix(start) == true, "\(found)")
    }

    @Test("What the program writes of a run, and what presets set, warns of nothing")
    func silence() throws {
        for preset in RunConfiguration.presets.keys {
            let resolved = try RunConfiguration.resolveWithWarnings(
                layers: [ConfigurationLayer(yaml: "preset: \(preset)", origin: "run.yaml")], for: .training)
            #expect(resolved.warnings.isEmpty, "\(preset): \(resolved.warnings)")
            #expect(try warnings(resolved.configuration.yaml()).isEmpty, "\(preset)")
        }
    }

    @Test("An evaluation without attacks is asked for by an empty list; none given means that of training")
    func cleanAlone() throws {
        func attacks(_ yaml: String) throws -> Int {
            try RunConfiguration.resolve(layers: [ConfigurationLayer(yaml: yaml, origin: "run.yaml")])
                .resolvedEvaluationAttacks.count
        }
        #expect(try attacks("") == 1)
        #expect(try attacks("evaluation: {attacks: null}") == 1)
        #expect(try attacks("evaluation: {attacks: []}") == 0)
    }
}
