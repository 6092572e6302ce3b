import Files
import TestSupport
import Testing

@testable import Configuration

@Suite("Damaged settings")
struct ConfigurationFuzzTests {
    /// Resolves layers that may be damaged: a configuration that can be written and read again, or mistakes that can be shown.
    private func resolve(_ layers: [ConfigurationLayer]) throws {
        do throws(ConfigurationError) {
            let configuration = try RunConfiguration.resolve(layers: layers)
            let text = configuration.yaml()
            let again = try RunConfiguration.resolve(layers: [ConfigurationLayer(yaml: text, origin: "again")])
            #expect(again.yaml() == text)
        } catch {
            #expect(!error.issues.isEmpty && error.issues.allSatisfy { $0.description.printableLine == $0.description })
        }
    }

    @Test("configuration files changed anywhere are taken or refused")
    func files() throws {
        var mixture = RunConfiguration()
        mixture.moe.kind = .given(.conv)
        mixture.moe.placement = ["layer3.*", "layer4"]
        mixture.training.method = .advmoe
        mixture.evaluation.attacks = [RunConfiguration.Attack(), RunConfiguration.Attack()]
        let texts = [
            RunConfiguration().yaml(), mixture.yaml(), mixture.canonicalJSON,
            "a: &a {steps: 3}\nevaluation.attacks: [*a, {<<: *a}]\nmoe:\n  experts: |\n    8\n# end\n",
        ]
        var mutation = Mutation(seed: 1)
        for index in 0..<Mutation.inputs {
            let bytes = mutation.mutate(Array(texts[index % texts.count].utf8))
            try resolve([ConfigurationLayer(yaml: String(decoding: bytes, as: UTF8.self), origin: "x.yaml")])
        }
    }

    @Test("settings of the command line changed anywhere are taken or refused")
    func overrides() throws {
        let settings = [
            "evaluation.attacks.0.steps=20", "moe.placement=[layer3, layer4]", "attack.epsilon=8/255",
            "training.time_limit=1:30:00", "data.path=/data/my images", "attack={name: pgd, steps: 3}",
            "evaluation.epsilons=[1/255, 2/255]", "training.schedule.milestones=[50, 75]", "output.name=a",
        ]
        var mutation = Mutation(seed: 2)
        for index in 0..<Mutation.inputs {
            let bytes = mutation.mutate(Array(settings[index % settings.count].utf8))
            try resolve([ConfigurationLayer(override: String(decoding: bytes, as: UTF8.self))])
        }
    }
}
