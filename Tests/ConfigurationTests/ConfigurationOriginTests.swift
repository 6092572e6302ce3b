import Foundation
import Testing

@testable import Configuration

@Suite("Where values come from")
struct ConfigurationOriginTests {
    private func resolved(_ layers: [ConfigurationLayer]) throws -> ResolvedConfiguration<RunConfiguration> {
        try RunConfiguration.resolveWithWarnings(layers: layers, for: .training)
    }

    private let layers = [
        ConfigurationLayer(
            yaml: """
                preset: robust-sparse-moes
                training:
                  epochs: 7
                  optimizer.rate: 0.05
                evaluation:
                  attacks:
                    - {name: pgd, steps: 3}
                    - name: fgsm
                """, origin: "a.yaml"),
        ConfigurationLayer(yaml: "training: {seed: 4}\nattack.epsilon: 4/255\n", origin: "b.yaml"),
        ConfigurationLayer(override: "training.seed=5"),
        ConfigurationLayer(override: "evaluation.attacks.1.epsilon=2/255"),
        ConfigurationLayer(override: "moe.placement.0=layer3"),
    ]

    @Test("each key tells its own: default, preset, file and line, command line; the uppermost counts")
    func origins() throws {
        let resolved = try resolved(layers)
        for (key, origin) in [
            ("model.width", "default"), ("moe.noise", "preset robust-sparse-moes"), ("training.epochs", "a.yaml:3"),
            ("training.optimizer.rate", "a.yaml:4"), ("training.optimizer.nesterov", "preset robust-sparse-moes"),
            ("training.seed", "command line"), ("attack.epsilon", "b.yaml:2"),
            ("evaluation.attacks.0.steps", "a.yaml:7"),
            ("evaluation.attacks.0.epsilon", "default"), ("evaluation.attacks.1.name", "a.yaml:8"),
            ("evaluation.attacks.1.epsilon", "command line"), ("moe.placement", "command line"), ("preset", "a.yaml:1"),
        ] {
            #expect(resolved.origin(of: key) == origin, "\(key)")
        }
    }

    @Test("the text with origins is the configuration, line by line, and reads back as it")
    func text() throws {
        let resolved = try resolved(layers)
        let text = resolved.yamlWithOrigins
        let plain = text.split(separator: "\n").map { line in
            line.range(of: " +# ", options: .regularExpression).map { String(line[..<$0.lowerBound]) } ?? String(line)
        }
        #expect(plain.joined(separator: "\n") + "\n" == resolved.configuration.yaml())
        let again = try RunConfiguration.resolve(layers: [ConfigurationLayer(yaml: text, origin: "again")])
        #expect(again == resolved.configuration)
        // Only headings say nothing.
        #expect(text.split(separator: "\n").allSatisfy { $0.hasSuffix(":") || $0.contains("  # ") })
    }
}
