/// A whole configuration: the section that all others are in.
protocol ConfigurationRoot: ConfigurationSection {
    /// The name of a documented group of settings that lies below all files, or nil.
    var preset: String? { get }

    /// New names of keys that an earlier version had, by their old ones.
    static var movedKeys: [String: String] { get }

    /// Checks what no single key can tell: combinations that are impossible.
    func check(_ reader: inout ConfigurationReader)
}

extension ConfigurationRoot {
    /// Lays a preset, if the layers name one, and the layers over the defaults, and checks the result.
    ///
    /// - Parameters:
    ///   - layers: The settings, each above those before it: files first, then the command line.
    ///   - presets: The documented groups of settings by name.
    ///   - check: Checks combinations beyond those that are impossible whatever the configuration is for.
    /// - Returns: The configuration, and sentences on keys that were given and have no effect.
    /// - Throws: Everything that is wrong in any layer, not only the first.
    static func resolve(
        layers: [ConfigurationLayer], presets: [String: ConfigurationLayer],
        check: (Self, inout ConfigurationReader) -> Void = { _, _ in }
    ) throws(ConfigurationError) -> (configuration: Self, warnings: [String]) {
        let (named, naming) = laid(layers)
        var (configuration, reader) = (named, naming)
        if let name = named.preset {
            if let preset = presets[name] {
                (configuration, reader) = laid([preset] + layers)
            } else {
                let names = presets.keys.sorted() + ["null"]
                let place = ConfigurationPlace(key: "preset", allowed: names.joined(separator: ", "))
                var node = ConfigurationNode.plain(name)
                node.origin = reader.origins["preset"] ?? ""
                reader.reject(node, at: place, suggestion: Spelling.nearest(to: name, among: presets.keys.sorted()))
            }
        }
        configuration.check(&reader)
        check(configuration, &reader)
        guard reader.issues.isEmpty else { throw ConfigurationError(issues: reader.issues) }
        return (configuration, configuration.warnings(reader))
    }

    private static func laid(_ layers: [ConfigurationLayer]) -> (Self, ConfigurationReader) {
        var configuration = Self()
        var reader = ConfigurationReader(Self.self)
        for layer in layers { reader.apply(layer, to: &configuration) }
        return (configuration, reader)
    }

    /// One sentence for each key that a person gave, and that means nothing beside the others.
    private func warnings(_ reader: ConfigurationReader) -> [String] {
        idle(under: "").flatMap { section, wanted in
            reader.given.filter { $0 == section || $0.hasPrefix(section + ".") }.sorted().map { key in
                "\(reader.origins[key] ?? ""): \(key) has no effect, it belongs to \(wanted)"
            }
        }
    }
}
