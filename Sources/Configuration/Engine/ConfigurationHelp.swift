/// What there is to know of a key of the configuration, and of those below it.
package struct ConfigurationHelp: Sendable, Equatable {
    /// The dotted key; of what is below a list's element, with `N` for its index.
    package var key: String
    /// The default, as YAML; empty for a section.
    package var normal: String
    /// What may stand there, in words.
    package var allowed: String
    /// What the key means, with its unit.
    package var summary: String
    /// The words that may stand there; empty where it takes others too many to name.
    package var words: [String] = []
    /// What the key belongs to, in words; nil where it always means something.
    package var wanted: String?
    /// The dotted key for which this one is another spelling, if it is one.
    package var sameAs: String?
    /// The keys of a section; empty for a key that holds a value.
    package var below: [ConfigurationHelp] = []
    /// The keys of an element, for a list of sections.
    package var elements: [ConfigurationHelp] = []

    /// The keys that hold a value: itself, or those of the section, in their order.
    package var leaves: [ConfigurationHelp] { below.isEmpty ? [self] : below.flatMap(\.leaves) }

    /// Returns the key, or the section, at names below this section; an index leads into a list of sections.
    func descendant(_ names: some Sequence<Substring>) -> ConfigurationHelp? {
        var found = self
        for name in names {
            if !found.elements.isEmpty, name == "N" || Int(name) != nil {
                found = ConfigurationHelp(
                    key: found.key + ".N", normal: "", allowed: found.allowed, summary: "an element of \(found.key)",
                    below: found.elements)
            } else if let next = found.below.first(where: { $0.key.split(separator: ".").last == name }) {
                found = next
            } else {
                return nil
            }
        }
        return found
    }

    /// The same with defaults as people write them.
    func spelled(_ spellings: NumberSpellings) -> ConfigurationHelp {
        var result = self
        result.normal = spellings.text(of: key, normal) ?? normal
        result.below = below.map { $0.spelled(spellings) }
        result.elements = elements.map { $0.spelled(spellings) }
        return result
    }
}
