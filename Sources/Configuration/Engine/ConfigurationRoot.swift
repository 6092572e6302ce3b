/// A whole configuration: the section that all others are in.
protocol ConfigurationRoot: ConfigurationSection {
    /// The name of a documented group of settings that lies below all files, or nil.
    var preset: String? { get }

    /// New names of keys that an earlier version had, by their old ones.
    static var movedKeys: [String: String] { get }

    /// How fractions such as 8/255 were written.
    var spellings: NumberSpellings { get set }

    /// Checks what no single key can tell: combinations that are impossible.
    func check(_ reader: inout ConfigurationReader)

    /// Sentences on what is possible and was probably not meant.
    var doubts: [String] { get }
}

/// A configuration that has passed every check, and what there is to say of it.
package struct ResolvedConfiguration<Root: Sendable>: Sendable {
    /// The configuration.
    package let configuration: Root
    /// Sentences on keys that were given and have no effect, and on what was probably not meant.
    package internal(set) var warnings: [String]
    /// The dotted keys that a person gave, in a file or on the command line.
    package let given: Set<String>
    /// Where the last value of each dotted key came from; keys that have their defaults are absent.
    let origins: [String: String]

    /// Whether a person gave a key.
    package func isGiven(_ key: String) -> Bool { given.contains(key) }
}

extension ConfigurationRoot {
    /// Lays a preset, if the layers name one, and the layers over the defaults, and checks the result.
    ///
    /// - Parameters:
    ///   - layers: The settings, each above those before it: files first, then the command line.
    ///   - presets: The documented groups of settings by name.
    ///   - check: Checks combinations beyond those that are impossible whatever the configuration is for.
    /// - Throws: Everything that is wrong in any layer, not only the first.
    static func resolve(
        layers: [ConfigurationLayer], presets: [String: ConfigurationPreset<Self>],
        check: (Self, inout ConfigurationReader) -> Void = { _, _ in }
    ) throws(ConfigurationError) -> ResolvedConfiguration<Self> {
        let (named, naming) = laid(layers)
        var (configuration, reader) = (named, naming)
        var usual = Self()
        if let name = named.preset {
            if let preset = presets[name] {
                let parts = preset.layers(for: laid(preset.layers + layers).0)
                (configuration, reader) = laid(parts + layers)
                usual = laid(parts).0
            } else {
                let names = presets.keys.sorted() + ["null"]
                let place = ConfigurationPlace(key: "preset", allowed: names.joined(separator: ", "))
                var node = ConfigurationNode.plain(name)
                node.origin = reader.origins["preset"] ?? ""
                reader.reject(node, at: place, suggestion: Spelling.nearest(to: name, among: presets.keys.sorted()))
            }
        }
        configuration.spellings.own = reader.spellings
        configuration.check(&reader)
        check(configuration, &reader)
        guard reader.issues.isEmpty else { throw ConfigurationError(issues: reader.issues) }
        return ResolvedConfiguration(
            configuration: configuration, warnings: configuration.warnings(reader, below: usual) + configuration.doubts,
            given: reader.given, origins: reader.origins)
    }

    private static func laid(_ layers: [ConfigurationLayer]) -> (Self, ConfigurationReader) {
        var configuration = Self()
        var reader = ConfigurationReader(Self.self)
        for layer in layers { reader.apply(layer, to: &configuration) }
        return (configuration, reader)
    }

    /// One sentence for each key that a person gave, and that means nothing beside the others, or that was given again.
    ///
    /// A key with the value that it has anyway, by default or by the preset, is no mistake: files that the program wrote have
    /// all keys.
    private func warnings(_ reader: ConfigurationReader, below preset: Self) -> [String] {
        func texts(_ configuration: Self) -> [String: String] {
            Dictionary(configuration.written.leaves().map { ($0.key, $0.text) }) { first, _ in first }
        }
        let (own, usual) = (texts(self), texts(preset))
        let idle = idle(under: "").flatMap { idle in
            reader.given.filter { key in
                (key == idle.name || key.hasPrefix(idle.name + "."))
                    && (idle.isHidden || own[key] == nil || own[key] != usual[key])
            }.sorted().map { key in
                "\(reader.origins[key] ?? ""): \(key) has no effect, it belongs to \(idle.wanted)"
            }
        }
        return idle
            + reader.repeated.sorted().map { "command line: \($0) is given more than once, the last one counts" }
    }
}
