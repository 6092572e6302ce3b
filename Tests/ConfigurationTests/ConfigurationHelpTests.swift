import Testing

@testable import Configuration

@Suite("Help on the configuration")
struct ConfigurationHelpTests {
    @Test("A key, a section and a key of a list's element are found by their names, and nothing else is")
    func found() {
        let experts = RunConfiguration.help(for: "moe.experts")
        #expect(experts?.normal == "4" && experts?.allowed == "an integer, from 1 to 1024")
        #expect(experts?.wanted == "a moe.kind other than none")
        #expect(RunConfiguration.help(for: "moe")?.leaves.contains { $0.key == "moe.balance.loss" } == true)
        let steps = RunConfiguration.help(for: "evaluation.attacks.3.steps")
        #expect(
            steps?.key == "evaluation.attacks.N.steps"
                && steps?.summary == RunConfiguration.help(for: "attack.steps")?.summary)
        #expect(RunConfiguration.help(for: "evaluation.attacks.0")?.below.isEmpty == false)
        #expect(RunConfiguration.help(for: "attack.random_start")?.sameAs == "attack.start")
        for word in ["", ".", "moe.", "moe.expert", "moe.experts.0", "evaluation.attacks.x", "attack.0"] {
            #expect(RunConfiguration.help(for: word) == nil, "\(word)")
        }
    }

    @Test("The words of a key are all it takes, and each of them can be set")
    func words() throws {
        #expect(RunConfiguration.help(for: "moe.kind")?.words == ["none", "conv", "block", "channel"])
        #expect(RunConfiguration.help(for: "moe.router_kernel")?.words == ["1", "3"])
        #expect(RunConfiguration.help(for: "distributed.batch_norm")?.words == ["local", "synchronized"])
        #expect(RunConfiguration.help(for: "output.tensorboard")?.words == ["true", "false"])
        #expect(RunConfiguration.help(for: "preset")?.words.contains("advmoe-paper") == true)
        #expect(RunConfiguration.help(for: "moe.experts")?.words == [])
        for help in RunConfiguration.help {
            for word in help.words {
                // Combinations may be impossible; the value itself is none that the key refuses.
                do {
                    _ = try RunConfiguration.resolve(layers: [ConfigurationLayer(override: "\(help.key)=\(word)")])
                } catch {
                    for issue in error.issues { #expect(issue.allowed != help.allowed, "\(issue)") }
                }
            }
        }
    }

    @Test("A key tells which presets set it, and to what")
    func presets() {
        let values = RunConfiguration.presetValues(of: "moe.experts")
        #expect(values.map(\.preset) == ["advmoe-code", "advmoe-paper", "robust-sparse-moes"])
        #expect(values.map(\.values) == [["2"], ["2"], ["4"]])
        #expect(RunConfiguration.presetValues(of: "output.name").isEmpty)
    }

    @Test("A word that is none leads to all keys that are equally near")
    func near() {
        #expect(RunConfiguration.keysNear("moe.expert") == ["moe.experts"])
        #expect(RunConfiguration.keysNear("lr") == ["training.optimizer.rate"])
        #expect(
            RunConfiguration.keysNear("rate")
                == ["training.optimizer.rate", "training.advmoe.router_optimizer.rate"])
        #expect(RunConfiguration.keysNear("xyzzyxyzzy").isEmpty)
    }
}
