import Foundation
import TestSupport
import Testing

@testable import Configuration

@Suite("Configurations beyond any")
struct ConfigurationLimitTests {
    /// What is wrong with layers, and that it was found in a few seconds.
    private func complaint(_ layers: ConfigurationLayer...) throws -> String {
        let start = ContinuousClock.now
        let error = #expect(throws: ConfigurationError.self) { try RunConfiguration.resolve(layers: layers) }
        #expect(ContinuousClock.now - start < .seconds(5))
        let text = try #require(error).description
        #expect(text.utf8.count < 100_000)
        return text
    }

    private func yaml(_ text: String) -> ConfigurationLayer { ConfigurationLayer(yaml: text, origin: "x.yaml") }

    @Test("a key of tens of thousands of names is refused, on the command line, in a file, and piece by piece")
    func deepKeys() throws {
        let key = "a" + String(repeating: ".a", count: 40_000)
        let refusal = "found a key of 80001 bytes and 40001 names; allowed: at most 256 bytes and 16 names"
        #expect(try complaint(ConfigurationLayer(override: key + "=1")).contains(refusal))
        #expect(try complaint(yaml("? \(key)\n: 1\n")).contains(refusal))
        let nested = (0..<500).map { String(repeating: " ", count: $0) + "a.a.a.a:\n" }.joined()
        #expect(try complaint(yaml(nested)).contains("names; allowed: at most"))
        #expect(try complaint(yaml("a: " + String(repeating: "[", count: 100_000))).contains("nesting"))
        let lists = String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
        #expect(try complaint(yaml("a: \(lists)")).contains("names; allowed: at most"))
        #expect(try complaint(ConfigurationLayer(override: "model.width=\(lists)")).contains("names; allowed: at most"))
        #expect(
            try complaint(ConfigurationLayer(override: String(repeating: "a", count: 300) + "=1")).contains("300 bytes")
        )
    }

    @Test("thousands of keys that stand twice, or do not exist, are told in short")
    func manyMistakes() throws {
        let doubled = (0..<10_000).map { "k\($0): 1\nk\($0): 2\n" }.joined()
        #expect(try complaint(yaml(doubled)).contains("more than once"))
        let unknown = (0..<9000).map { "training_batch_size_\($0): 1\n" }.joined()
        #expect(try complaint(yaml(unknown)).contains("and 8900 more mistakes"))
        let values = "a: [" + String(repeating: "1,", count: 50_000) + "1]"
        #expect(try complaint(yaml(values)).contains("found too many values; allowed: at most 10000"))
    }

    @Test("aliases of aliases are refused where they stand for too much, also as a key")
    func aliases() throws {
        var lines = ["a0: &a0 [x]"]
        for level in 1..<12 {
            let aliases = (0..<9).map { _ in "*a\(level - 1)" }.joined(separator: ", ")
            lines.append("a\(level): &a\(level) [\(aliases)]")
        }
        let text = lines.joined(separator: "\n") + "\n? *a11\n: 1\n"
        #expect(try complaint(yaml(text)).contains("found 100 aliases; allowed: at most 32"))
        let few = yaml("attack: &a {steps: 3}\nevaluation: {attacks: [*a]}\nmoe: {placement: ['*.conv1', 'layer*']}\n")
        let resolved = try RunConfiguration.resolve(layers: [few])
        #expect(resolved.evaluation.attacks?.first?.steps == 3 && resolved.moe.placement == ["*.conv1", "layer*"])
    }

    @Test("a file longer than any configuration is refused, and not read whole")
    func longFiles() throws {
        let scratch = try ScratchFolder()
        try scratch.write(String(repeating: "# comment\n", count: 30_000), to: "long.yaml")
        let refusal = "found more than 262144 bytes; allowed: at most 262144 bytes"
        #expect(try complaint(ConfigurationLayer(file: scratch("long.yaml"))).contains(refusal))
        #expect(try complaint(ConfigurationLayer(file: "/dev/zero")).contains(refusal))
        #expect(try complaint(ConfigurationLayer(file: scratch.path)).contains("no file that can be read"))
        #expect(try complaint(yaml(String(repeating: "a", count: 300_000))).contains("found 300000 bytes"))
    }

    @Test("the name of the run directory is one plain name; paths hold no NUL")
    func names() throws {
        for name in ["../a", "a/b", "..", ".", "a\u{1b}[2J", "a\nb", "a\0b", String(repeating: "a", count: 256)] {
            var node = RunConfiguration()
            node.output.name = name
            let text = try complaint(yaml(node.yaml()))
            #expect(text.contains("output.name: found") && text.contains("one plain name"), "\(text)")
            #expect(!text.contains("\u{1b}") && !text.contains("\n") && !text.contains("\0"))
        }
        for key in ["data.path", "model.masks", "evaluation.masks", "training.initial_checkpoint"] {
            #expect(
                try complaint(yaml("\(key): \"a\\0b\"")).contains(
                    "\(key): found \"a\\u0000b\"; allowed: a text, not empty, without NUL"))
        }
        #expect(try RunConfiguration.resolve(layers: [yaml("output.name: 'my run, 2'")]).output.name == "my run, 2")
    }

    @Test("what a message quotes is escaped and short")
    func messages() throws {
        let texts = [
            try complaint(ConfigurationLayer(override: "a\u{1b}[2J=1")),
            try complaint(ConfigurationLayer(override: "no\u{1b}[2J" + String(repeating: "x", count: 1000))),
            try complaint(ConfigurationLayer(override: "moe.experts=[\u{1b}[2J" + String(repeating: "x", count: 1000))),
            try complaint(yaml("moe: {experts: \"\\e[2J\", kind: \"\\u202e\"}")),
        ]
        for text in texts { #expect(!text.contains("\u{1b}") && !text.contains("\u{202e}") && text.utf8.count < 1500) }
    }

    @Test("attacks times steps times radii of a sweep are bounded")
    func sweeps() throws {
        let numbers = (1...64).map(String.init).joined(separator: ", ")
        let text = try complaint(
            yaml(
                "evaluation: {steps: [\(numbers)], epsilons: [\(numbers.replacing(", ", with: "/999, "))/999], attacks: [{id: a}, {id: b}]}"
            ))
        #expect(text.contains("at most 4096") && text.contains("would be 8192"))
        #expect(try complaint(yaml("evaluation: {steps: [\(numbers), 65]}")).contains("at most 64 of them"))
    }
}
