extension RunConfiguration {
    /// The top of the configuration: what there is to know of all keys, as a tree.
    private static let root = ConfigurationHelp(
        key: "", normal: "", allowed: "", summary: "the configuration",
        below: help(under: "").map { $0.spelled(RunConfiguration().spellings) })

    /// The sections, and keys that are in none, in their order.
    package static var sections: [ConfigurationHelp] { root.below }

    /// Every key in the order of the sections, with its default, what is allowed and what it means.
    package static var help: [ConfigurationHelp] { root.leaves }

    /// Returns what there is to know of a key or a section, such as `moe.experts`, `moe` or `evaluation.attacks.0.steps`; nil where
    /// there is none of that name.
    package static func help(for key: String) -> ConfigurationHelp? {
        let names = key.split(separator: ".", omittingEmptySubsequences: false)
        return names.contains("") ? nil : root.descendant(names)
    }

    /// Returns the presets that set a key, by name, with the values that they give it; a part of a preset that belongs to some
    /// configurations alone may give another value than the one before.
    package static func presetValues(of key: String) -> [(preset: String, values: [String])] {
        presets.sorted { $0.key < $1.key }.compactMap { name, preset in
            let values = preset.layers.compactMap { $0.root?.value(at: key)?.flow }
            return values.isEmpty ? nil : (name, values)
        }
    }

    /// Returns the keys and sections that were probably meant by a word that is none.
    package static func keysNear(_ word: String) -> [String] {
        if let moved = movedKeys[word] { return [moved] }
        return Spelling.nearestKeys(to: word, among: keyNames(under: "").filter { !$0.isEmpty })
    }
}
