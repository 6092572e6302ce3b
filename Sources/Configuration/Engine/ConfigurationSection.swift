/// A value with named parts, described by a table of its keys.
protocol ConfigurationSection: ConfigurationValue {
    /// Makes the section with every default.
    init()

    /// The keys in the order in which they are written.
    static var keys: [ConfigurationKey<Self>] { get }
}

extension ConfigurationSection {
    static func expectation(_ bound: String) -> String {
        "a mapping with keys among " + keys.map(\.name).joined(separator: ", ")
    }

    static func read(
        _ node: ConfigurationNode, over current: Self?, at place: ConfigurationPlace,
        _ reader: inout ConfigurationReader
    ) -> Self? {
        var section = current ?? Self()
        switch node.content {
        case .scalar("", plain: true):
            // A heading in a file with nothing, or only comments, below it.
            break
        case .mapping(let pairs):
            for (name, value) in pairs {
                guard let key = keys.first(where: { $0.name == name }) else {
                    reader.rejectKey(
                        ConfigurationKeyPath.join(place.key, name), value, in: keys.map(\.name), prefix: place.key)
                    continue
                }
                let below = ConfigurationPlace(
                    key: ConfigurationKeyPath.join(place.key, name), allowed: key.allowed)
                guard let value = reader.parsed(value, at: below, isText: key.isText) else { continue }
                key.read(value, &section, below, &reader)
                reader.note(ConfigurationKeyPath.join(place.key, key.target), value)
            }
        case .scalar, .sequence, .typed:
            reader.reject(node, at: place)
            return nil
        }
        return section
    }

    var written: ConfigurationNode {
        let own = Self.keys.filter { $0.name == $0.target && $0.condition?.hides(self) != true }
        return ConfigurationNode(content: .mapping(own.map { ($0.name, $0.write(self)) }))
    }

    static func keyNames(under key: String) -> [String] {
        [key] + keys.flatMap { $0.names(ConfigurationKeyPath.join(key, $0.name)) }
    }

    static func help(under key: String) -> [ConfigurationHelp] {
        keys.map { $0.help(ConfigurationKeyPath.join(key, $0.name)) }
    }

    func idle(under key: String) -> [IdleKey] {
        Self.keys.flatMap { $0.idle(self, ConfigurationKeyPath.join(key, $0.name)) }
    }
}
