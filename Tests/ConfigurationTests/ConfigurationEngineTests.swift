import Testing

@testable import Configuration

/// A root that has nothing to do with runs.
private struct Toy: ConfigurationRoot {
    enum Mode: String, ConfigurationChoice {
        case plain
        case sized
    }

    var preset: String?
    var mode = Mode.plain
    var size = 3
    var share = 0.5
    var name: String?
    var spellings = NumberSpellings(usual: [:])
    var doubts: [String] { size == 7 ? ["size: 7 is odd"] : [] }

    static let movedKeys = ["length": "size"]

    static let keys: [ConfigurationKey<Toy>] = [
        ConfigurationKey("preset", \.preset, "a group of settings"),
        ConfigurationKey("mode", \.mode, "what counts"),
        ConfigurationKey(
            "size", \.size, "how large", .atLeast(1),
            onlyWhere: ConfigurationCondition("mode: sized", hidesKey: true) { $0.mode == .sized }),
        ConfigurationKey(
            "share", \.share, "how much", onlyWhere: ConfigurationCondition("mode: plain") { $0.mode == .plain }),
        ConfigurationKey("name", \.name, "what it is called"),
    ]

    func check(_ reader: inout ConfigurationReader) {
        guard size > 9 else { return }
        reader.issues.append(
            .value("size", found: "\(size)", allowed: "at most 9", origin: reader.origins["size"] ?? "defaults"))
    }
}

@Suite("The engine of configurations")
struct ConfigurationEngineTests {
    private func resolve(_ yaml: String, _ overrides: String...) throws -> ResolvedConfiguration<Toy> {
        try Toy.resolve(
            layers: [ConfigurationLayer(yaml: yaml, origin: "toy.yaml")]
                + overrides.map { ConfigurationLayer(override: $0) },
            presets: ["large": ConfigurationPreset("large", .init("size: 8"))])
    }

    private func problems(_ yaml: String, _ overrides: String...) -> [String] {
        do {
            _ = try Toy.resolve(
                layers: [ConfigurationLayer(yaml: yaml, origin: "toy.yaml")]
                    + overrides.map { ConfigurationLayer(override: $0) },
                presets: ["large": ConfigurationPreset("large", .init("size: 8"))])
            return []
        } catch {
            return error.issues.map(\.description)
        }
    }

    @Test("A root of three keys is read in layers, checked, written, told of and warned about")
    func toy() throws {
        #expect(try resolve("").configuration == Toy())
        let run = try resolve("preset: large\nmode: plain", "mode=sized")
        #expect(run.configuration.mode == .sized && run.configuration.size == 8 && run.warnings.isEmpty)
        #expect(try resolve("{preset: large, mode: sized, size: 5}", "size=6").configuration.size == 6)

        #expect(
            run.configuration.written.block == ["preset: large", "mode: sized", "size: 8", "share: 0.5", "name: null"])
        #expect(
            run.configuration.written.json == #"{"mode":"sized","name":null,"preset":"large","share":0.5,"size":8}"#)
        #expect(Toy().written.block == ["preset: null", "mode: plain", "share: 0.5", "name: null"])
        #expect(Toy.help(under: "").map(\.key) == ["preset", "mode", "size", "share", "name"])
        #expect(Toy.help(under: "").map(\.normal) == ["null", "plain", "3", "0.5", "null"])

        #expect(try resolve("preset: large").warnings.isEmpty)
        let idle = try resolve("preset: large\nsize: 4")
        #expect(idle.configuration.size == 4)
        #expect(idle.warnings == ["toy.yaml:2: size has no effect, it belongs to mode: sized"])

        #expect(
            problems("size: 0\nmod: plain", "length=2", "mode=size") == [
                "toy.yaml:1: size: found 0; allowed: an integer, at least 1",
                "toy.yaml:2: mod: no such key (found plain); allowed: preset, mode, size, share, name; did you mean mode?",
                "command line: length: no such key (found 2); allowed: preset, mode, size, share, name; did you mean size?",
                "command line: mode: found size; allowed: plain, sized; did you mean sized?",
            ])
        #expect(problems("size: 10") == ["toy.yaml:1: size: found 10; allowed: at most 9"])
        #expect(
            problems("preset: larg") == [
                "toy.yaml:1: preset: found larg; allowed: large, null; did you mean large?"
            ])
    }

    @Test(
        "A key without effect is a warning where it differs from its default; a doubt and a repetition are warnings too"
    )
    func warnings() throws {
        #expect(try resolve("mode: sized\nshare: 0.5").warnings.isEmpty)
        #expect(
            try resolve("mode: sized\nshare: 0.25", "size=7").warnings == [
                "toy.yaml:2: share has no effect, it belongs to mode: plain", "size: 7 is odd",
            ])
        let twice = try resolve("share: 0.1", "share=0.2", "share=0.3")
        #expect(twice.configuration.share == 0.3)
        #expect(twice.warnings == ["command line: share is given more than once, the last one counts"])
        #expect(twice.isGiven("share") && !twice.isGiven("mode"))
        #expect(try !resolve("preset: large\nmode: sized").isGiven("size"))
    }

    @Test(
        "What the command line gives for a text is that text",
        arguments: [
            "my #2 set", "&s", "!s", "*s", "~", "null", "#x", "\"quoted\"", "'s", "[a]", "{a: 1}", "a: b", "- x", "%",
            "@x",
            " spaces ", "a=b", "1", "true", "a\tb",
        ])
    func texts(_ text: String) throws {
        #expect(try resolve("name: other", "name=\(text)").configuration.name == text)
    }

    @Test("An empty value unsets a text; what holds no text is YAML, and is refused as YAML")
    func yaml() throws {
        #expect(try resolve("name: other", "name=").configuration.name == nil)
        #expect(try resolve("", "mode=\"sized\"").configuration.mode == .sized)
        #expect(problems("", "size=[1").first?.hasPrefix("command line: size: found [1; allowed: a YAML value") == true)
        #expect(problems("", "size=[1]") == ["command line: size: found [1]; allowed: an integer, at least 1"])
    }

    @Test("Fractions keep their spelling while the number is the same, and equal numbers are equal configurations")
    func spellings() throws {
        let third = try resolve("share: 1/3").configuration
        #expect(third.written.spelled(third.spellings).block.contains("share: 1/3"))
        #expect(third.written.json.contains("0.3333333333333333"))
        #expect(try resolve("share: 0.3333333333333333").configuration == third)
        var moved = third
        moved.share = 0.25
        #expect(moved.written.spelled(moved.spellings).block.contains("share: 0.25"))
        let again = try resolve("share: 1/3", "share=0.25").configuration
        #expect(again.written.spelled(again.spellings).block.contains("share: 0.25"))
        #expect(try resolve("", "share=2/8").configuration.spellings.own == ["share": "2/8"])
    }
}
