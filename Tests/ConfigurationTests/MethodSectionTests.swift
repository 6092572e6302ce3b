import Testing

@testable import Configuration

@Suite("Sections of single methods")
struct MethodSectionTests {
    private func resolve(
        _ yaml: String, _ overrides: String...
    ) throws -> ResolvedConfiguration<RunConfiguration> {
        try RunConfiguration.resolveWithWarnings(
            layers: [ConfigurationLayer(yaml: yaml, origin: "run.yaml")]
                + overrides.map { ConfigurationLayer(override: $0) }, for: .training)
    }

    @Test("Every key that moved into a method's section is refused with its new name")
    func moved() throws {
        let names = [
            ("training.replays", ["training.free.replays"]),
            ("training.replay_balance_factor", ["training.free.replay_balance_factor"]),
            ("training.filter_share", ["training.scores.filter_share"]),
            ("training.beta", ["training.trades.beta", "training.advmoe.beta"]),
            ("training.alpha", ["training.advmoe.alpha"]),
            ("training.order", ["training.advmoe.order"]),
            ("training.router_objective", ["training.advmoe.router_objective"]),
            ("training.shared_batch", ["training.advmoe.shared_batch"]),
            ("training.shared_attack", ["training.advmoe.shared_attack"]),
            ("training.statistics_updates", ["training.advmoe.statistics_updates"]),
            ("training.router_optimizer", ["training.advmoe.router_optimizer"]),
            ("training.router_schedule", ["training.advmoe.router_schedule"]),
        ]
        #expect(Set(names.map(\.0)) == Set(RunConfiguration.movedKeys.keys))
        let known = Set(RunConfiguration.keyNames(under: ""))
        for (old, new) in names {
            #expect(known.isSuperset(of: new) && !known.contains(old), "\(old)")
            let value = old.contains("router_o") || old.hasSuffix("schedule") ? "{name: x}" : "1"
            let layers = [
                ConfigurationLayer(yaml: "\(old): \(value)", origin: "run.yaml"),
                ConfigurationLayer(override: "\(old)=\(value)"),
            ]
            let error = try #require(
                #expect(throws: ConfigurationError.self) { try RunConfiguration.resolve(layers: layers) })
            #expect(error.issues.map(\.kind) == [.unknownKey, .unknownKey], "\(error)")
            #expect(error.issues.map(\.key) == [old, old], "\(error)")
            let meant = new.joined(separator: " or ")
            #expect(error.issues.allSatisfy { $0.description.hasSuffix("; did you mean \(meant)?") }, "\(error)")
        }
    }

    @Test("A key of another method is a warning where a person gave it, and none where a preset did; it is not written")
    func warnings() throws {
        let yaml = "training:\n  free:\n    replays: 6\n  scores: {filter_share: 0.25}"
        let idle = try resolve(yaml, "training.trades.beta=2", "training.advmoe.router_optimizer.rate=0.2")
        #expect(
            idle.warnings == [
                "run.yaml:3: training.free.replays has no effect, it belongs to training.method: free",
                "command line: training.trades.beta has no effect, it belongs to training.method: trades",
                "command line: training.advmoe.router_optimizer.rate has no effect, it belongs to "
                    + "training.method: advmoe",
                "run.yaml:4: training.scores.filter_share has no effect, it belongs to training.parameters: scores",
            ])
        let sections = ["free", "trades", "advmoe", "scores"]
        func written(_ run: RunConfiguration) -> [String] {
            sections.filter { run.yaml().contains("\n  \($0):\n") }
        }
        #expect(written(idle.configuration).isEmpty)
        #expect(try resolve(idle.configuration.yaml()).warnings.isEmpty)

        let own = try resolve(yaml, "training.method=free", "training.parameters=scores")
        #expect(own.warnings.isEmpty && written(own.configuration) == ["free", "scores"])
        #expect(
            own.configuration.yaml().contains(
                "\n  free:\n    replays: 6\n    replay_balance_factor: 1\n  scores:\n    filter_share: 0.25\n"))
        #expect(try written(resolve("moe.kind: conv", "training.method=advmoe").configuration) == ["advmoe"])

        for name in RunConfiguration.presets.keys {
            let preset = try resolve("preset: \(name)\ntraining: {method: standard}\nattack: {objective: auto}")
            #expect(preset.warnings.isEmpty && written(preset.configuration).isEmpty, "\(name)")
        }
        // What a person lays over the preset's value is a person's.
        #expect(
            try resolve("preset: robust-sparse-moes", "training.free.replays=4").warnings == [
                "command line: training.free.replays has no effect, it belongs to training.method: free"
            ])
    }
}
